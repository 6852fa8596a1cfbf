#include "run_progress.h"

#include <algorithm>
#include <system_error>

#include "lacuna/base/text.h"

namespace lacuna::train {
namespace {

// A layer's place among the forward and backward passes of a micro-batch, from 0 to 1.
double place_of(const StepProgress& progress, int64_t layers) {
  const auto all = static_cast<double>(layers);
  const double before = progress.layer - 1.0;
  switch (progress.part) {
    case StepPart::kForward:
      return before / all / 3;
    case StepPart::kBackward:
      return (1 + 2 * (all - 1 - before) / all) / 3;
    case StepPart::kUpdate:
    case StepPart::kDone:
      return 1;
    case StepPart::kNone:
      break;
  }
  return 0;
}

std::string place_text(const StepProgress& progress, int64_t layers, int64_t micro_batches) {
  if (progress.part == StepPart::kUpdate) return "update of the weights";
  const char* pass = progress.part == StepPart::kForward ? "forward" : "backward";
  const std::string micro_batch =
      micro_batches > 1 ? str("micro-batch ", progress.micro_batch, "/", micro_batches, ", ") : "";
  return str(micro_batch, pass, ", layer ", progress.layer, "/", layers);
}

double seconds_at(double peak, const Trainer& trainer) {
  if (peak <= 0) return 0;
  return static_cast<double>(trainer.share().batch * trainer.share().micro_batches) *
         trainer.model().training_flops() / peak;
}

}  // namespace

double share_done(const StepProgress& progress, int64_t layers, int64_t micro_batches) {
  const double before = std::max(progress.micro_batch - 1, 0);
  return std::clamp((before + place_of(progress, layers)) / static_cast<double>(micro_batches), 0.0,
                    1.0);
}

RunProgress::RunProgress(const Trainer& trainer, const Unit& unit, const RunPlan& plan,
                         RunDisplay& display, double peak)
    : trainer_(trainer),
      display_(display),
      unit_(unit.bits()),
      layers_(trainer.model().config().layers),
      micro_batches_(trainer.micro_batches()),
      tokens_(static_cast<double>(trainer.step_size().tokens)),
      step_at_peak_(seconds_at(peak, trainer)),
      memory_(trainer.memory().total()),
      steps_total_(plan.steps),
      steps_(trainer.steps_done()),
      time_left_(plan, steps_),
      since_(Clock::now()) {
  try {
    watcher_ = std::thread([this] { watch(); });
  } catch (const std::system_error&) {  // no thread can be made: steps show when they end
  }
}

RunProgress::~RunProgress() {
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  wake_.notify_all();
  if (watcher_.joinable()) watcher_.join();
}

double RunProgress::step_done() {
  const std::lock_guard lock(mutex_);
  const double seconds = elapsed();
  time_left_.step_took(seconds);
  since_ = Clock::now();
  ++steps_;
  return seconds;
}

void RunProgress::show_step(std::optional<double> bits) {
  const std::lock_guard lock(mutex_);
  bits_ = bits;
  DisplayLine shown = line();
  shown.seconds_left = time_left_.seconds(steps_, 0, 0);
  display_.show(shown);
}

void RunProgress::begin(Chore chore) {
  const std::lock_guard lock(mutex_);
  chore_ = chore;
  chore_done_ = chore_all_ = 0;
  time_left_.chore_begins(chore, steps_);
  since_ = Clock::now();
}

void RunProgress::counted(int64_t done, int64_t all) {
  const std::lock_guard lock(mutex_);
  chore_done_ = done;
  chore_all_ = all;
}

void RunProgress::end(bool finished) {
  const std::lock_guard lock(mutex_);
  if (finished) {
    time_left_.chore_took(elapsed());
  } else {
    time_left_.chore_ends();
  }
  chore_.reset();
  since_ = Clock::now();
}

void RunProgress::watch() {
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, std::chrono::seconds(1), [this] { return over_; })) {
    if (chore_ || steps_ < steps_total_) display_.show_at_work(line_at_work());
  }
}

double RunProgress::elapsed() const {
  return std::chrono::duration<double>(Clock::now() - since_).count();
}

DisplayLine RunProgress::line() const {
  const double step = time_left_.step_seconds();
  return {.step = steps_,
          .total = steps_total_,
          .bits = bits_,
          .unit = unit_,
          .tokens_per_second = step > 0 ? tokens_ / step : 0,
          .share_of_peak = step > 0 ? step_at_peak_ / step : 0,
          .memory = memory_};
}

DisplayLine RunProgress::line_at_work() const {
  DisplayLine shown = line();
  double share = 0;
  if (chore_) {
    shown.doing = name_of(*chore_);
    if (chore_all_ > 0) {
      share = static_cast<double>(chore_done_) / static_cast<double>(chore_all_);
      shown.doing += str(" ", chore_done_, "/", chore_all_);
    }
  } else {
    ++shown.step;
    const StepProgress progress = trainer_.progress();
    if (progress.step == shown.step && progress.part != StepPart::kNone) {
      share = share_done(progress, layers_, micro_batches_);
      if (progress.part != StepPart::kDone) {
        shown.place = place_text(progress, layers_, micro_batches_);
      }
    }
    shown.doing = fixed(100 * share, 0) + "% done";
  }
  shown.seconds_left = time_left_.seconds(steps_, elapsed(), share);
  return shown;
}

}  // namespace lacuna::train
