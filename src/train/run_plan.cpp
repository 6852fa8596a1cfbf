#include "lacuna/train/run_plan.h"

#include <algorithm>

namespace lacuna::train {
namespace {

size_t index(Chore chore) {
  return static_cast<size_t>(chore);
}

// A forward pass is a third of the work on a sequence forward and backward.
constexpr double kForwardShare = 1.0 / 3;

}  // namespace

const char* name_of(Chore chore) {
  const char* names[] = {"evaluation", "sample", "checkpoint", "saving"};
  return names[index(chore)];
}

bool RunPlan::is_due(Chore chore, int64_t step) const {
  const int64_t interval = every[index(chore)];
  if (interval > 0 && step % interval == 0) return true;
  return chore == Chore::kEvaluation && step >= steps;
}

int64_t RunPlan::times(Chore chore, int64_t after) const {
  if (after >= steps) return 0;
  const int64_t interval = every[index(chore)];
  const int64_t on_the_way = interval > 0 ? steps / interval - after / interval : 0;
  const bool at_the_end = interval == 0 || steps % interval != 0;
  return on_the_way + (chore == Chore::kEvaluation && at_the_end ? 1 : 0);
}

RunPlan run_plan(const Options& options, const StepSize& step, int64_t evaluated) {
  const auto steps_of = [&](const std::string& text, const char* option) {
    return parse_length(text, step, option);
  };
  RunPlan plan{.steps = steps_of(options.train.length, "train.length"),
               .every = {steps_of(options.train.evaluate_every, "train.evaluate_every"),
                         steps_of(options.train.sample_every, "train.sample_every"),
                         steps_of(options.checkpoint.every, "checkpoint.every"), 0}};
  const int64_t in_a_batch = options.train.batch * options.model.context;
  const int64_t windows = (evaluated + in_a_batch - 1) / in_a_batch * options.train.batch;
  const int64_t sets = options.optim.average > 0 ? 2 : 1;
  plan.evaluation_steps =
      kForwardShare * static_cast<double>(sets * windows) / static_cast<double>(step.samples);
  return plan;
}

TimeLeft::TimeLeft(const RunPlan& plan, int64_t step) : plan_(plan) {
  begun_at_.fill(step);
}

// The first step also touches all memory for the first time: the mean starts at the second.
void TimeLeft::step_took(double seconds) {
  step_seconds_ = ++taken_ <= 2 ? seconds : 0.9 * step_seconds_ + 0.1 * seconds;
}

void TimeLeft::chore_begins(Chore chore, int64_t step) {
  chore_ = chore;
  begun_at_[index(chore)] = step;
}

void TimeLeft::chore_took(double seconds) {
  chore_seconds_[index(*chore_)] = seconds;
  chore_.reset();
}

double TimeLeft::seconds_of(Chore chore, double step) const {
  const double guess = chore == Chore::kEvaluation ? plan_.evaluation_steps * step : 0;
  return chore_seconds_[index(chore)].value_or(guess);
}

std::optional<double> TimeLeft::seconds(int64_t step, double elapsed, double share) const {
  const double whole = share > 0 ? elapsed / share : 0;  // of what is under way; 0: not known
  double of_step = step_seconds_;
  if (taken_ == 0) {
    if (chore_ || whole == 0) return std::nullopt;
    of_step = whole;
  }
  double left = of_step * static_cast<double>(std::max<int64_t>(plan_.steps - step, 0));
  for (size_t i = 0; i < kChores; ++i) {
    const auto chore = static_cast<Chore>(i);
    const bool at_work = chore_ == chore;
    const double of_chore =
        at_work && whole > 0 && !chore_seconds_[i] ? whole : seconds_of(chore, of_step);
    left += of_chore * static_cast<double>(plan_.times(chore, std::max(begun_at_[i], step - 1)));
    if (at_work) left += std::max(0.0, (whole > 0 ? whole : of_chore) - elapsed);
  }
  if (!chore_ && step < plan_.steps) {
    left -= share > 0 ? share * of_step : std::min(elapsed, of_step);
  }
  return left;
}

}  // namespace lacuna::train
