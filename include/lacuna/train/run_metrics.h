// What a run records of itself for programs to read: metrics.jsonl, and a TensorBoard event file
// that shows the same. docs/metrics.md explains every member and tag.
#pragma once

#include <chrono>
#include <string>

#include "lacuna/io/event_file.h"
#include "lacuna/io/json_line.h"
#include "lacuna/train/run_folder.h"
#include "lacuna/train/smoothed_loss.h"
#include "lacuna/train/trainer.h"

namespace lacuna::train {

class RunMetrics {
 public:
  /// Continues the folder's metrics.jsonl and starts a new event file with what is in it and with
  /// config.toml. The run's clock has begun at `start`. Throws Error(kIo) and Error(kData).
  RunMetrics(const RunFolder& folder, std::chrono::steady_clock::time_point start);

  // A line that cannot be written must not end a run: it is a warning once, and failure() has it.

  /// `tokens` were consumed since the start of the run.
  void add_step(const StepResult& result, int64_t tokens, double tokens_per_second);
  /// `data` is Dataset::identity().
  void add_evaluation(int64_t step, Weights weights, const Evaluation& result, const Unit& unit,
                      const std::string& data);
  /// The run ends because `evaluations` in a row were not better than `best_bits`.
  void add_early_stop(int64_t step, int64_t evaluations, double best_bits);

  /// The mean of the losses so far, also of those before a resumed run's start.
  std::optional<double> smoothed_bits() const { return loss_.value(); }
  /// Since the start.
  double seconds() const;
  /// Says why the last line was lost; empty: none was.
  const std::string& failure() const { return failure_; }

 private:
  void record(JsonLine& line);

  std::chrono::steady_clock::time_point start_;
  JsonlFile lines_;
  EventFile events_;
  SmoothedLoss loss_;
  std::string failure_;
};

}  // namespace lacuna::train
