#include "run_output.h"

#include <cmath>
#include <filesystem>

#include "lacuna/base/error.h"
#include "lacuna/base/files.h"
#include "lacuna/base/log.h"
#include "lacuna/train/run_record.h"
#include "lacuna/train/weights.h"

namespace lacuna::train {

RunOutput::RunOutput(const RunFolder& folder, const Retention& retention, bool writes)
    : folder_(folder),
      checkpoints_(CheckpointFolder(folder.checkpoints()), retention),
      writes_(writes) {}

void RunOutput::open(const Dataset& data, const std::string& identity, Trainer& trainer,
                     std::chrono::steady_clock::time_point start) {
  start_ = start;
  if (!writes_) return;
  record_start(folder_, data, identity, trainer);
  metrics_.emplace(folder_, start);
}

void RunOutput::add_step(const StepResult& result, int64_t tokens, double tokens_per_second) {
  if (metrics_) metrics_->add_step(result, tokens, tokens_per_second);
}

void RunOutput::add_evaluation(int64_t step, const EvaluationRound& round, const Unit& unit,
                               const std::string& identity) {
  if (!metrics_) return;
  for (const EvaluationRound::Result& result : round.results) {
    metrics_->add_evaluation(step, result.weights, result.evaluation, unit, identity);
  }
}

void RunOutput::add_early_stop(int64_t step, const BestSoFar& best) {
  if (metrics_) metrics_->add_early_stop(step, best.since, best.bits.value_or(std::nan("")));
}

std::optional<double> RunOutput::smoothed_bits() const {
  return metrics_ ? metrics_->smoothed_bits() : std::nullopt;
}

void RunOutput::write_samples(int64_t step, const Medium& medium,
                              const std::vector<std::vector<int32_t>>& samples) const {
  if (!writes_) return;
  std::error_code failure;
  std::filesystem::create_directories(folder_.samples(), failure);
  if (failure) {
    throw Error(ErrorKind::kIo, folder_.samples(), "cannot make the folder: " + failure.message());
  }
  write_atomic(folder_.sample(step, medium.suffix()),
               samples.size() > 1 ? medium.sheet(samples) : medium.file(samples.front()));
}

void RunOutput::begin_checkpoint(Trainer& trainer, const TrainingState& state,
                                 const std::string& config, bool best) {
  if (!writes_) return trainer.copy_to(nullptr);
  Snapshot& snapshot = checkpoints_.next();
  snapshot.state = state;
  trainer.copy_to(&snapshot);
  snapshot.config = config;
  snapshot.best = best;
  log_quiet(RunFolder::log_mark(trainer.steps_done()));
  checkpoints_.start();
}

bool RunOutput::finish_checkpoint() {
  checkpoints_.wait();
  return checkpoints_.failure().empty();
}

void RunOutput::write_weights(const Trainer& trainer) const {
  if (!writes_) return;
  const std::map<std::string, std::string> facts{{"format", "lacuna"},
                                                 {"step", std::to_string(trainer.steps_done())}};
  save_weights(folder_.weights(), trainer.weights(Weights::kRaw), facts);
  if (trainer.has_average()) {
    save_weights(folder_.average(), trainer.weights(Weights::kAverage), facts);
  }
}

double RunOutput::seconds() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

void RunOutput::check_nothing_was_lost() const {
  if (!checkpoints_.failure().empty()) {
    throw Error(ErrorKind::kIo, folder_.checkpoints(),
                "the last checkpoint could not be written: " + checkpoints_.failure(),
                "The weights are saved, but the run cannot be resumed from here");
  }
  if (metrics_ && !metrics_->failure().empty()) {
    throw Error(ErrorKind::kIo, folder_.metrics(), "lines were lost: " + metrics_->failure(),
                "The weights and the checkpoint are saved");
  }
}

}  // namespace lacuna::train
