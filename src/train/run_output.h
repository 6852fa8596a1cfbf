// What a run writes: the metrics, samples, checkpoints and weights of its folder. Of the ranks that
// train together the first alone writes; on the others everything here does nothing.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "lacuna/train/best_so_far.h"
#include "lacuna/train/checkpoint.h"
#include "lacuna/train/run_metrics.h"
#include "run_evaluation.h"

namespace lacuna::train {

class RunOutput {
 public:
  /// Writes nothing before open(). `folder` must outlive this object.
  RunOutput(const RunFolder& folder, const Retention& retention, bool writes);

  /// Begins the records of a process that starts to train, whose clock began at `start`. The folder
  /// has its config.toml. Throws Error(kIo) and Error(kData).
  void open(const Dataset& data, const std::string& identity, Trainer& trainer,
            std::chrono::steady_clock::time_point start);

  /// `tokens` were consumed since the start of the run.
  void add_step(const StepResult& result, int64_t tokens, double tokens_per_second);
  void add_evaluation(int64_t step, const EvaluationRound& round, const Unit& unit,
                      const std::string& identity);
  void add_early_stop(int64_t step, const BestSoFar& best);
  /// The mean of the losses so far.
  std::optional<double> smoothed_bits() const;

  /// One file of the medium with what was drawn after `step` steps. Throws Error(kIo).
  void write_samples(int64_t step, const Medium& medium,
                     const std::vector<std::vector<int32_t>>& samples) const;

  /// Copies the trainer's state and begins to write it in the background, once the last one has
  /// been written. `state` is what the run itself knows.
  void begin_checkpoint(Trainer& trainer, const TrainingState& state, const std::string& config,
                        bool best);
  /// Waits until it is written; whether it could be.
  bool finish_checkpoint();
  /// The final weights, raw and averaged. Throws Error(kIo).
  void write_weights(const Trainer& trainer) const;
  /// Seconds since the clock began.
  double seconds() const;
  /// Throws Error(kIo) where the last checkpoint or lines of the metrics could not be written.
  void check_nothing_was_lost() const;

 private:
  const RunFolder& folder_;
  CheckpointWriter checkpoints_;
  std::optional<RunMetrics> metrics_;
  std::chrono::steady_clock::time_point start_;
  bool writes_;
};

}  // namespace lacuna::train
