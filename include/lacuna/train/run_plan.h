// What a run does beside its steps, and when; and how long it still takes. Nothing here looks at a
// clock.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "lacuna/train/length.h"
#include "lacuna/train/options.h"

namespace lacuna::train {

/// What steps wait for. kSaving is the end of a run: the last checkpoint and the weights.
enum class Chore : uint8_t { kEvaluation, kSample, kCheckpoint, kSaving };
inline constexpr size_t kChores = 4;
const char* name_of(Chore chore);

struct RunPlan {
  int64_t steps = 0;                     // of the whole run
  std::array<int64_t, kChores> every{};  // steps between two; 0: never on the way
  double evaluation_steps = 0;           // a guess: how many steps an evaluation takes as long as

  /// Whether the chore follows the `step`-th step (from 1). An evaluation also follows the last.
  bool is_due(Chore chore, int64_t step) const;
  /// How often it is due after the steps of (after, steps].
  int64_t times(Chore chore, int64_t after) const;
};

/// Lengths in steps. `evaluated` symbols are scored by an evaluation, 0 where there is none. Throws
/// Error(kConfig).
RunPlan run_plan(const Options& options, const StepSize& step, int64_t evaluated);

/// How long a run still takes, from what its steps and chores have taken so far. A chore that has
/// not come yet counts as nothing, but an evaluation by the plan's guess.
class TimeLeft {
 public:
  /// A run that goes on after `step` steps.
  explicit TimeLeft(const RunPlan& plan, int64_t step = 0);

  void step_took(double seconds);
  /// The chore after the `step`-th step, before which all chores are over that come first.
  void chore_begins(Chore chore, int64_t step);
  void chore_took(double seconds);
  /// The chore has ended unfinished: nothing is learned from it.
  void chore_ends() { chore_.reset(); }

  /// The mean of a step; 0: none has been taken.
  double step_seconds() const { return step_seconds_; }
  /// After `step` steps, with `elapsed` seconds spent on what is under way (the chore that has
  /// begun, or else the next step), of which `share` is done (0: not known). Nothing while no step
  /// has told how long one takes.
  std::optional<double> seconds(int64_t step, double elapsed, double share) const;

 private:
  double seconds_of(Chore chore, double step) const;

  RunPlan plan_;
  int64_t taken_ = 0;
  double step_seconds_ = 0;
  std::array<std::optional<double>, kChores> chore_seconds_;
  std::array<int64_t, kChores> begun_at_{};  // the last step after which each was begun
  std::optional<Chore> chore_;               // under way
};

}  // namespace lacuna::train
