#include "lacuna/train/checkpoint.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <optional>

#include "inspect.h"
#include "lacuna/base/error.h"
#include "lacuna/base/files.h"
#include "lacuna/base/text.h"
#include "lacuna/io/safetensors.h"
#include "lacuna/tensor/dtype.h"
#include "lacuna/train/run_folder.h"
#include "lacuna/train/setup.h"

namespace lacuna::cli {
namespace {

namespace fs = std::filesystem;

struct Norms {
  double root_sum = 0;  // of squares
  double root_mean = 0;
  double largest = 0;  // absolute
  int64_t not_finite = 0;
};

// The record's data may be less aligned than T.
template <class T, class Number>
Norms norms_of(const TensorRecord& record, const Stop& stop, const Number& number) {
  const int64_t count = byte_size(record) / static_cast<int64_t>(sizeof(T));
  const auto* bytes = static_cast<const std::byte*>(record.data);
  constexpr auto kAtOnce = static_cast<int64_t>(kPiece / sizeof(T));
  Norms norms;
  double squares = 0;
  for (int64_t i = 0; i < count; ++i) {
    if (i % kAtOnce == 0) leave_if(stop);
    T stored;
    std::memcpy(&stored, bytes + i * static_cast<int64_t>(sizeof(T)), sizeof(T));
    const double value = number(stored);
    if (!std::isfinite(value)) {
      ++norms.not_finite;
      continue;
    }
    squares += value * value;
    norms.largest = std::max(norms.largest, std::abs(value));
  }
  norms.root_sum = std::sqrt(squares);
  norms.root_mean = count > 0 ? std::sqrt(squares / static_cast<double>(count)) : 0;
  return norms;
}

Norms norms_of(const TensorRecord& record, const Stop& stop) {
  const auto plain = [](auto value) { return static_cast<double>(value); };
  const auto half = [](auto value) { return static_cast<double>(to_f32(value)); };
  if (record.dtype == "F64") return norms_of<double>(record, stop, plain);
  if (record.dtype == "F32") return norms_of<float>(record, stop, plain);
  if (record.dtype == "BF16") return norms_of<BFloat16>(record, stop, half);
  if (record.dtype == "F16") return norms_of<Float16>(record, stop, half);
  if (record.dtype == "I32") return norms_of<int32_t>(record, stop, plain);
  return norms_of<uint8_t>(record, stop, plain);
}

std::string shape_text(const TensorRecord& record) {
  std::vector<std::string> sizes;
  for (const int64_t size : record.shape) sizes.push_back(std::to_string(size));
  return "[" + join(sizes, ", ") + "]";
}

void print_tensors(const std::string& path, const Stop& stop) {
  const SafetensorsFile file(path);
  size_t width = 6;
  int64_t elements = 0;
  for (const TensorRecord& record : file.records()) {
    width = std::max(width, printable(record.name).size());
    int64_t count = 1;
    for (const int64_t size : record.shape) count *= size;
    elements += count;
  }
  std::printf("\n%s: %s tensors, %s numbers\n", path.c_str(),
              grouped(static_cast<int64_t>(file.records().size())).c_str(),
              grouped(elements).c_str());
  const int name_width = static_cast<int>(width);
  std::printf("  %-*s  %-5s  %-16s  %12s  %12s  %12s\n", name_width, "tensor", "type", "shape",
              "norm", "rms", "largest");
  for (const TensorRecord& record : file.records()) {
    const Norms norms = norms_of(record, stop);
    std::printf("  %-*s  %-5s  %-16s  %12.6g  %12.6g  %12.6g", name_width,
                printable(record.name).c_str(), record.dtype.c_str(), shape_text(record).c_str(),
                norms.root_sum, norms.root_mean, norms.largest);
    if (norms.not_finite > 0) {
      std::printf("  %s NOT FINITE, left out", grouped(norms.not_finite).c_str());
    }
    std::printf("\n");
  }
}

void print_files(const std::string& folder) {
  std::vector<fs::path> paths;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  std::printf("\nfiles\n");
  for (const fs::path& path : paths) {
    const uint64_t size = fs::file_size(path, ignored);
    if (!ignored) {
      std::printf("  %-24s %12s\n", printable(path.filename().string()).c_str(),
                  human_bytes(size).c_str());
    }
  }
}

void print_config(const std::string& folder) {
  std::printf("\nconfig.toml: all options but those at their defaults\n");
  train::Options options = train::read_options(train::RunFolder(folder).config(), {});
  train::Options defaults;
  defaults.data.format = options.data.format;
  set_optimizer_defaults(defaults, options.optim.name);
  for (const train::OptionEntry& entry : train::option_table(options)) {
    const std::string value = option_text(entry, options);
    if (value != option_text(entry, defaults)) {
      std::printf("  %s = %s\n", entry.name.c_str(), printable(value).c_str());
    }
  }
}

void print_checkpoint(const std::string& folder, const Stop& stop) {
  train::verify_checkpoint(folder, [&] { leave_if(stop); });
  const train::TrainingState state = train::read_state(folder);
  const Unit unit = train::medium_of(train::read_options(folder + "/config.toml", {}))->unit();
  std::printf(
      "checkpoint  %s\nverified    every file is as its manifest says\nstep        %s, %s "
      "of them updates\nbest        %s\ndata        %s\n",
      folder.c_str(), grouped(state.step).c_str(), grouped(state.updates).c_str(),
      state.best_bits
          ? str(fixed(*state.best_bits, 4), ' ', unit.bits(),
                " on the first validation set so far, ", state.since_best, " evaluations ago")
                .c_str()
          : "no evaluation so far",
      printable(state.data).c_str());
  if (const auto facts = train::read_facts(folder)) {
    std::printf("place       stage %s, sample %s, after %s tokens\nmoments     %s\n",
                grouped(facts->place.stage).c_str(), grouped(facts->place.index).c_str(),
                grouped(facts->place.tokens).c_str(), name_of(facts->moments));
  }
  if (state.evaluation_due) std::printf("due         the evaluation at this step was stopped\n");
  print_files(folder);
  print_config(folder);
  const train::RunFolder files(folder);
  for (const std::string& file :
       {files.weights(), files.average(), folder + "/optimizer.safetensors"}) {
    if (exists(file)) print_tensors(file, stop);
  }
}

// A line for each checkpoint of a run; a damaged one is told with its reason.
void print_checkpoints(const train::RunFolder& run, const Stop& stop) {
  const train::CheckpointFolder checkpoints(run.checkpoints());
  const std::optional<int64_t> best = checkpoints.best_step();
  std::printf("\ncheckpoints\n");
  for (const int64_t step : checkpoints.steps()) {
    std::string finding = "verified";
    try {
      train::verify_checkpoint(checkpoints.at(step), [&] { leave_if(stop); });
    } catch (const Error& damage) {
      finding = str("DAMAGED: ", damage.what());
    }
    std::printf("  step %-10s %s%s\n", grouped(step).c_str(), printable(finding).c_str(),
                step == best ? ", best on the validation part" : "");
  }
  if (checkpoints.steps().empty()) std::printf("  none\n");
}

}  // namespace

void inspect_checkpoint(const Parsed& parsed, const Stop& stop) {
  const std::string& folder = parsed.text("RUN");
  if (exists(folder + "/manifest.json") || exists(folder + "/state.json")) {
    return print_checkpoint(folder, stop);
  }
  const train::RunFolder run(folder);
  if (!run.has_config() && !run.has_run()) {
    throw Error(ErrorKind::kData, folder, "is neither the folder of a run nor that of a checkpoint",
                "A run has config.toml, a checkpoint manifest.json besides");
  }
  std::printf("run         %s\n", folder.c_str());
  print_checkpoints(run, stop);
  print_files(folder);
  if (run.has_config()) print_config(folder);
  for (const std::string& file : {run.weights(), run.average()}) {
    if (exists(file)) print_tensors(file, stop);
  }
}

}  // namespace lacuna::cli
