// What a run does when: steps, and between them evaluations, samples and checkpoints. All ranks
// that train together do the same at the same time: what one alone knows, it tells before it
// matters.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "lacuna/train/best_so_far.h"
#include "lacuna/train/run_display.h"
#include "lacuna/train/run_folder.h"
#include "lacuna/train/run_plan.h"
#include "lacuna/train/trainer.h"
#include "run_evaluation.h"
#include "run_output.h"
#include "run_progress.h"
#include "stop_sign.h"

namespace lacuna::train {

class RunDirector {
 public:
  /// All of these must outlive it. Throws Error(kConfig) and Error(kData).
  RunDirector(const Options& options, const Dataset& data, std::string data_identity,
              const RunFolder& folder, const std::shared_ptr<Group>& group, StopSign& stop);
  ~RunDirector();

  Trainer& trainer() { return trainer_; }

  /// Goes on from a verified checkpoint. Throws Error(kConfig) and Error(kData).
  void restore(const std::string& checkpoint);
  /// Gives all ranks what the first has restored or started from.
  void take_state_of_first();
  /// Removes the later checkpoints, which this run will write again, and what killed processes
  /// left.
  void discard_later_checkpoints() const;

  /// Says what the run is, after `first`, where that is not empty.
  void open(const std::string& first);
  /// Does the first step, if one comes next, before anything in the folder is touched: a run that
  /// cannot do it, for want of memory or otherwise, replaces none. Before the first step of all,
  /// train.evaluate_first evaluates. False when it was stopped before the step.
  bool try_first_step();
  /// The folder exists by now, and config.toml in it.
  void train();

 private:
  using Clock = std::chrono::steady_clock;

  void goes_on(double patience);
  void count(int64_t done, int64_t all);
  bool alone() const { return trainer_.group().world().alone(); }
  void train_to_the_end();
  void train_steps();
  bool has_validation() const;
  bool at_end() const;
  void finish_step();
  void report(const StepResult& result, double seconds);
  void report(const EvaluationRound& round, int64_t step);
  bool evaluate();
  EvaluationRound evaluate(int64_t limit);
  bool is_last(double bits) const;
  bool judge(double bits);
  void draw_sample();
  void checkpoint(bool best);
  void finish();
  TrainingState own_state() const;
  void take(const TrainingState& state);

  const Options& options_;
  const Dataset& data_;
  const RunFolder& folder_;
  StopSign& stop_;
  std::string data_identity_;
  std::string config_;
  Trainer trainer_;
  StepSize step_size_;
  RunPlan plan_;
  Retention retention_;
  RunOutput output_;
  BestSoFar best_;
  RunDisplay display_;
  std::string rate_jump_;
  Clock::time_point begin_;  // of the first step
  std::optional<RunProgress> progress_;
  int64_t skipped_in_a_row_ = 0;
  std::optional<int64_t> diverged_at_;  // the step that was one skipped step too many
  int64_t saved_step_ = -1;             // of the last checkpoint that was begun
  bool evaluation_due_ = false;
  std::optional<EvaluationRound> untrained_;  // before the first step
};

}  // namespace lacuna::train
