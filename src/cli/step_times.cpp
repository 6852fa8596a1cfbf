#include "step_times.h"

#include "timing.h"

namespace lacuna::cli {

StepTimes time_steps(train::Trainer& trainer, int64_t repeats,
                     std::chrono::steady_clock::time_point constructed, const Stop& stop) {
  using Clock = std::chrono::steady_clock;
  const auto ms = [](Clock::duration time) {
    return std::chrono::duration<double, std::milli>(time).count();
  };
  constexpr int64_t kWarm = 3;
  StepTimes times;
  std::vector<double> all;
  Clock::time_point last = Clock::now();
  for (int64_t i = 0; i < repeats + kWarm; ++i) {
    leave_if(stop);
    trainer.begin_step();
    while (trainer.unfinished() > (i == 0 ? 0 : trainer.steps_ahead())) trainer.finish_step();
    const Clock::time_point now = Clock::now();
    if (i == 0) times.first = ms(now - constructed);
    if (i >= kWarm) all.push_back(ms(now - last));
    last = now;
  }
  while (trainer.unfinished() > 0) trainer.finish_step();
  times.median = median(std::move(all));
  return times;
}

}  // namespace lacuna::cli
