// The kernels of the GPU that are bound by memory: each at the sizes of the paper's models, with
// the bytes that it must move at least (inputs read once, outputs written once) over its time, as a
// share of the rate of a large copy, measured in the same run. Operands are rotated over more than
// 400 MB, so that no cache helps; the launches of several rotations are one captured graph, so that
// what a graph takes to start (4 to 5 us) is not taken for time of the kernels. Each launch follows
// one of the same kernel, so what a kernel does while the one before it ends shows here in full.
#include "bench.h"
#include "lacuna/base/error.h"
#ifdef LACUNA_WITH_CUDA
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "lacuna/base/files.h"
#include "lacuna/proof/cases.h"
#include "lacuna/proof/timed.h"
#include "lacuna/tensor/gpus.h"
#include "version.h"
#endif

namespace lacuna::cli {
#ifdef LACUNA_WITH_CUDA
namespace {

constexpr double kRotated = 400e6;  // bytes, several times an L2 cache
constexpr double kReplayed = 4e9;   // bytes, which take about a millisecond

/// Milliseconds of one launch on operands with activations in `dtype`, the median over `repeats`
/// replays of a graph.
double median_ms(proof::Noise& noise, const proof::Entry& entry, DType dtype, int repeats) {
  const double bytes = proof::bytes_of(entry, dtype);
  const int sets = std::max(1, static_cast<int>(std::ceil(kRotated / bytes)));
  const int rotations = std::max(1, static_cast<int>(kReplayed / (sets * bytes)));
  Queue queue = noise.queue();
  std::vector<std::unique_ptr<proof::TimedOperands>> operands;
  std::vector<proof::Launch> launches;
  for (int i = 0; i < sets; ++i) {
    operands.push_back(std::make_unique<proof::TimedOperands>(noise, dtype));
    launches.push_back(entry.make(*operands.back()));
  }
  const auto all = [&] {
    for (int rotation = 0; rotation < rotations; ++rotation) {
      for (const auto& launch : launches) launch();
    }
  };
  all();
  const std::unique_ptr<Graph> graph = queue.capture(all);
  const auto replay = [&](int) { queue.replay(*graph); };
  cuda::time_on_device(queue, 2, replay);
  const std::vector<double> times = cuda::time_on_device(queue, repeats, replay);
  return times[times.size() / 2] / (rotations * sets);
}

DType activation_type(const std::string& name) {
  for (const DType dtype : {DType::kBF16, DType::kF16, DType::kF32}) {
    if (name == name_of(dtype)) return dtype;
  }
  throw Error(ErrorKind::kUsage, "--dtype", "there is no type of activations '" + name + "'",
              "Known: bf16, f16, f32");
}

}  // namespace

void bench_layers(const Parsed& parsed, const Stop& stop) {
  const DType dtype = activation_type(parsed.text("dtype"));
  const auto repeats = static_cast<int>(parsed.whole("repeats", 1));
  Queue queue = cuda::make_queue({});
  const double copy = cuda::copy_rate(queue);
  std::printf("%s, activations in %s; a large copy moves %.0f GB/s\n",
              cuda::device_name(queue).c_str(), name_of(dtype), copy * 1e-9);
  std::printf("%-32s %-12s %9s %9s %8s %8s\n", "kernel", "size", "ms", "MB", "GB/s", "of copy");
  proof::Noise noise(queue);
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const proof::BenchCase& of : proof::bench_cases(dtype)) {
    leave_if(stop);
    const double bytes = proof::bytes_of(of.entry, dtype);
    const double ms = median_ms(noise, of.entry, dtype, repeats), rate = bytes / (1e-3 * ms);
    std::printf("%-32s %-12s %9.4f %9.1f %8.0f %6.1f %%\n", of.kernel.c_str(), of.size.c_str(), ms,
                bytes * 1e-6, rate * 1e-9, 100 * rate / copy);
    std::fflush(stdout);
    rows.push_back({{"kernel", of.kernel},
                    {"size", of.size},
                    {"ms", ms},
                    {"bytes", bytes},
                    {"bytes_per_second", rate},
                    {"share_of_copy", rate / copy}});
  }
  if (!parsed.is_set("json")) return;
  const nlohmann::ordered_json report{
      {"lacuna", version_number()}, {"gpu", cuda::device_name(queue)}, {"dtype", name_of(dtype)},
      {"repeats", repeats},         {"copy_bytes_per_second", copy},   {"kernels", rows}};
  write_atomic(parsed.text("json"), report.dump(2) + "\n");
}

#else

void bench_layers(const Parsed&, const Stop&) {
  throw Error(ErrorKind::kConfig, "bench layers", "this program was built without CUDA",
              "Build it where nvcc is on PATH");
}

#endif

}  // namespace lacuna::cli
