#include "lacuna/train/saved_run.h"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>

#include "lacuna/base/error.h"
#include "lacuna/base/files.h"
#include "lacuna/base/text.h"
#include "lacuna/io/safetensors.h"
#include "lacuna/train/checkpoint.h"
#include "lacuna/train/memory_budget.h"
#include "lacuna/train/run_folder.h"
#include "lacuna/train/weights.h"
#include "lacuna/train/what_fits.h"

namespace lacuna::train {

namespace {

// Other programs may have written the file: what is no number is no step.
std::optional<int64_t> step_of(const SafetensorsFile& file) {
  const auto found = file.metadata().find("step");
  if (found == file.metadata().end()) return std::nullopt;
  try {
    return parse_count(found->second);
  } catch (const std::invalid_argument&) {
    return std::nullopt;
  }
}

// A run that is at work or was killed has no weights but those of its checkpoints.
void check_saved(const std::string& folder) {
  const RunFolder run(folder);
  std::error_code ignored;
  const bool configured = run.has_config();
  if (configured && std::filesystem::exists(run.weights(), ignored)) return;
  const CheckpointFolder checkpoints(run.checkpoints());
  if (checkpoints.steps().empty()) return;  // what is missing is named where it is read
  const std::string newest = checkpoints.newest_complete();
  throw Error(ErrorKind::kData, folder,
              configured
                  ? "the run has no final weights: it has not come to its end"
                  : "there are checkpoints of a run, but neither its config.toml nor weights",
              newest.empty() ? "None of its checkpoints is complete"
                             : "Give a checkpoint of it; the newest is " + newest);
}

}  // namespace

std::optional<int64_t> step_of_weights(const std::string& file) {
  return step_of(SafetensorsFile(file));
}

bool has_average(const std::string& folder) {
  std::error_code ignored;
  return std::filesystem::exists(RunFolder(folder).average(), ignored);
}

std::string weights_in(const std::string& folder, bool raw, const BetweenPieces& between_pieces) {
  check_saved(folder);
  const RunFolder run(folder);
  std::error_code ignored;
  if (std::filesystem::exists(folder + "/state.json", ignored)) {
    verify_checkpoint(folder, between_pieces);
  }
  return !raw && has_average(folder) ? run.average() : run.weights();
}

// A run that goes on does so on the same data: any line of its starts tells.
std::optional<std::string> trained_data(const std::string& folder) {
  std::error_code ignored;
  if (std::filesystem::exists(folder + "/state.json", ignored)) return read_state(folder).data;
  const std::string starts = RunFolder(folder).starts();
  if (!std::filesystem::exists(starts, ignored)) return std::nullopt;
  std::istringstream lines(read_text(starts));
  std::optional<std::string> data;
  for (std::string line; std::getline(lines, line);) {
    const nlohmann::json start = nlohmann::json::parse(line, nullptr, false);
    if (start.is_object() && start.contains("data") && start["data"].is_string()) {
      data = start["data"].get<std::string>();
    }
  }
  return data;
}

SavedRun::SavedRun(const std::string& folder, bool raw, const std::vector<Override>& overrides,
                   const BetweenPieces& between_pieces, const std::optional<SavedWork>& work)
    : options_((check_saved(folder), read_options(RunFolder(folder).config(), overrides))),
      queue_(make_queue(options_)) {
  weights_file_ = weights_in(folder, raw, between_pieces);
  const SafetensorsFile file(weights_file_);
  const TensorRecord& table = file.find("embedding.token");
  if (table.shape.size() != 2 || table.shape[0] < 1) {
    throw Error(ErrorKind::kData, weights_file_, "'embedding.token' is no table of symbols",
                "The weights are of another model than the configuration");
  }
  step_ = step_of(file);
  medium_ = medium_of(options_);
  if (table.shape[0] != medium_->vocabulary()) {
    throw Error(
        ErrorKind::kConfig, "data.format",
        str("the data has ", medium_->vocabulary(), " symbols, the model ", table.shape[0]));
  }
  const nn::ModelConfig config = model_config(options_, *medium_);
  check_supported(config, 1, queue_);
  if (work) check_room(config, *work);
  parameters_ = std::make_unique<nn::ParameterStore>(queue_, parameter_specs(config),
                                                     storage_type(options_, queue_), false);
  load_weights(weights_file_, *parameters_);
  queue_.wait();  // so that programs of other queues may run the model
  model_ = std::make_unique<nn::Transformer>(config, *parameters_);
}

void SavedRun::check_room(const nn::ModelConfig& config, const SavedWork& work) const {
  const std::optional<size_t> budget = budget_of(options_.memory.budget, queue_);
  if (!budget) return;
  const nn::ParameterStore weights(Queue::dry(), parameter_specs(config),
                                   storage_type(options_, queue_), false);
  const nn::Transformer model(config, weights);
  const RunDevice device = RunDevice::of(queue_);
  MemoryUse beside = device_memory_use(device, model, work.use);
  const size_t once = device.context + std::exchange(beside[MemoryTag::kLoadedLate], 0);
  const size_t of_set = weights.values().bytes() + beside.total() +
                        (weights.rounded().present() ? weights.rounded().bytes() : 0);
  const size_t held = once + static_cast<size_t>(work.sets) * of_set;
  const auto bytes_of = [&](int64_t batch) { return held + work.memory(model, batch).total(); };
  const int64_t batch = work.batch > 0 ? work.batch : options_.train.batch;
  const size_t needed = bytes_of(batch);
  if (needed <= *budget) return;
  const int64_t fits = largest_within(*budget, batch, batch, bytes_of);
  check_budget(budget, needed,
               fits > 0        ? str("Lower ", work.batch_option, " from ", batch, " to ", fits)
               : work.sets > 1 ? "Take one set of weights, by --raw or --average"
                               : "Raise it: there is nothing to lower");
}

Program SavedRun::program(int64_t batch) const {
  check_supported(model_->config(), batch, queue_);
  return Program::evaluation(queue_, *model_, batch);
}

}  // namespace lacuna::train
