// How far a run is, kept up to date while it works: a thread looks every second, so that a long
// step or a long evaluation is seen to go on.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "lacuna/train/run_display.h"
#include "lacuna/train/run_plan.h"
#include "lacuna/train/trainer.h"

namespace lacuna::train {

/// How much of a step is done, 0 to 1: a layer's backward pass counts twice its forward pass.
double share_done(const StepProgress& progress, int64_t layers, int64_t micro_batches);

/// One thread calls; the display and the trainer must outlive this object.
class RunProgress {
 public:
  /// Steps go on from here. `peak`: the device's FLOP/s in large matrix products; 0: not known.
  RunProgress(const Trainer& trainer, const Unit& unit, const RunPlan& plan, RunDisplay& display,
              double peak);
  ~RunProgress();
  RunProgress(const RunProgress&) = delete;
  RunProgress& operator=(const RunProgress&) = delete;

  /// Returns how many seconds the step took: since the last one, or since the last chore.
  double step_done();
  /// Shows the step that has been done; `bits` is its smoothed loss.
  void show_step(std::optional<double> bits);

  /// What follows is the chore, after the steps that have been done.
  void begin(Chore chore);
  /// How far the chore is.
  void counted(int64_t done, int64_t all);
  /// The chore is over; when it was not finished, its time tells nothing.
  void end(bool finished);

 private:
  using Clock = std::chrono::steady_clock;

  void watch();
  double elapsed() const;
  DisplayLine line() const;
  DisplayLine line_at_work() const;

  const Trainer& trainer_;
  RunDisplay& display_;
  const std::string unit_;  // "bits per byte"
  const int64_t layers_, micro_batches_;
  const double tokens_;        // of a step
  const double step_at_peak_;  // seconds that a step would take at the peak; 0: not known
  const size_t memory_;        // bytes planned
  const int64_t steps_total_;
  std::mutex mutex_;            // over all that follows
  int64_t steps_;               // done
  std::optional<double> bits_;  // smoothed
  TimeLeft time_left_;
  Clock::time_point since_;     // when what is under way began
  std::optional<Chore> chore_;  // under way; otherwise a step is
  int64_t chore_done_ = 0, chore_all_ = 0;
  bool over_ = false;
  std::condition_variable wake_;
  std::thread watcher_;
};

}  // namespace lacuna::train
