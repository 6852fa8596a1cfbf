#include <cstdio>
#include <nlohmann/json.hpp>

#include "bench.h"
#include "lacuna/base/error.h"
#include "lacuna/base/files.h"
#include "lacuna/tensor/gpus.h"
#include "lacuna/train/rates.h"
#include "lacuna/train/setup.h"
#include "output_place.h"
#include "version.h"

namespace lacuna::cli {
namespace {

bool wants_gpu(const std::string& device) {
  train::Options options;
  options.train.device = device.empty() ? "auto" : device;
  if (device.empty() || device == "gpu" || device == "cpu") return train::on_gpu(options);
  throw Error(ErrorKind::kUsage, "--device", "there is no device '" + device + "'",
              "Known: gpu, cpu");
}

DType wanted_type(const std::string& name, bool gpu) {
  if (name.empty()) return gpu ? DType::kBF16 : DType::kF32;
  for (const DType dtype : {DType::kBF16, DType::kF16, DType::kF32}) {
    if (name == name_of(dtype) && (gpu || dtype == DType::kF32)) return dtype;
  }
  throw Error(ErrorKind::kUsage, "--dtype", "there is no type of activations '" + name + "'",
              gpu ? "Known: bf16, f16, f32" : "On a CPU: f32");
}

Queue wanted_queue(const Parsed& parsed, bool gpu) {
  if (!gpu) return cpu_queue(parsed);
  train::Options options;
  options.train.device = "gpu";
  return train::make_queue(options);
}

}  // namespace

void bench_rates(const Parsed& parsed, const Stop& stop) {
  const bool gpu = wants_gpu(parsed.text("device"));
  const DType dtype = wanted_type(parsed.text("dtype"), gpu);
  const std::string name =
      parsed.is_set("name") ? parsed.text("name") : std::string(gpu ? "gpu" : "cpu");
  if (parsed.is_set("json")) check_output_file(parsed.text("json"));
  const Queue queue = wanted_queue(parsed, gpu);
  const std::string device = train::device_text(queue);
  const train::Rates rates = train::measure_rates(queue, dtype, [&] { leave_if(stop); });
  std::printf("// %s, lacuna %s; FLOP/s for products and attention, else bytes/s\n", device.c_str(),
              version_number().c_str());
  std::fputs(train::rates_text(rates, name, dtype, "measured").c_str(), stdout);
  if (!parsed.is_set("json")) return;
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const auto& [what, rate] : rates) {
    rows.push_back({{"what", what},
                    {"per_second", rate.per_second},
                    {"start_seconds", rate.start},
                    {"keys_beside", rate.beside}});
  }
  const nlohmann::ordered_json report{{"lacuna", version_number()},
                                      {"device", device},
                                      {"name", name},
                                      {"dtype", name_of(dtype)},
                                      {"rates", rows}};
  write_atomic(parsed.text("json"), report.dump(2) + "\n");
}

}  // namespace lacuna::cli
