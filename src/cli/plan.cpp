// `lacuna plan`: what a run would take, without its data and without running it.
#include <algorithm>
#include <cstdio>

#include "lacuna/base/error.h"
#include "lacuna/base/files.h"
#include "lacuna/base/text.h"
#include "lacuna/cli/command.h"
#include "lacuna/train/device_rules.h"
#include "lacuna/train/memory_budget.h"
#include "lacuna/train/setup.h"
#include "lacuna/train/sum_seconds.h"
#include "output_place.h"
#include "plan/page.h"
#include "train_ranks.h"

namespace lacuna::cli {
namespace {

constexpr int kCurvePoints = 20;

DType type_called(const std::string& name) {
  for (const DType dtype : {DType::kF64, DType::kF32, DType::kBF16, DType::kF16}) {
    if (name == name_of(dtype)) return dtype;
  }
  throw Error(ErrorKind::kInternal, "plan", "a precision without a type");
}

// What training refuses, whatever the device; of the type, setting_of() knows more.
void check_for_any_device(train::Options options) {
  options.train.device = "cpu";
  options.train.precision = "auto";
  train::check_options(options);
}

// Nothing where the length is told in epochs, which only the data can turn into steps.
std::optional<int64_t> steps_of(const train::Options& options, int64_t tokens, int64_t samples) {
  const std::string& length = options.train.length;
  // An epoch of no windows has no steps, one of a window for each sample has one.
  const auto with = [&](int64_t windows) {
    return train::parse_length(length,
                               {.tokens = tokens, .samples = samples, .samples_per_epoch = windows},
                               "train.length");
  };
  const int64_t one = with(samples), thousand = with(1000 * samples);
  if (one != thousand) return std::nullopt;
  return one;
}

class Planner {
 public:
  Planner(const train::Setting& setting, const Target& target)
      : setting_(setting),
        target_(target),
        dry_(setting.options, setting.config, setting.device, setting.dtype, setting.world),
        sums_(train::sum_seconds(setting.options, dry_.gradients(), setting.world.size)),
        search_(dry_.model(), dry_.batch(), [this] { return seconds(); }) {}

  const train::DryTrainer& dry() const { return dry_; }
  double sums() const { return sums_; }
  size_t least() const { return dry_.bytes_with(search_.least()); }
  CurvePoint everything() const {
    return point(search_.everything(), dry_.bytes_with(search_.everything().arena));
  }
  // Of a budget from least() on.
  CurvePoint fastest(size_t budget) const {
    const auto plan = search_.fastest(dry_.room_in(budget));
    require(plan.has_value(), "Planner::fastest", "the budget is below the least");
    return point(*plan, budget);
  }

 private:
  // Measured when something depends on them: what is refused needs none.
  const train::StepSeconds& seconds() const {
    if (!seconds_) seconds_ = target_.step_seconds(dry_, setting_.options.optim.average > 0);
    return *seconds_;
  }
  CurvePoint point(const train::StepPlan& plan, size_t budget) const {
    const int64_t micro_batches = dry_.share().micro_batches;
    return {.budget = budget,
            .bytes = dry_.bytes_with(plan.arena),
            .plan = plan,
            .seconds = seconds().whole(micro_batches) +
                       static_cast<double>(micro_batches) * plan.seconds_again + sums_};
  }

  const train::Setting& setting_;
  const Target& target_;
  train::DryTrainer dry_;
  double sums_;  // seconds of a step
  mutable std::optional<train::StepSeconds> seconds_;
  train::KeepSearch search_;
};

std::vector<CurvePoint> curve_of(const Planner& planner, const PlanPage& page, const Stop& stop) {
  std::vector<CurvePoint> curve;
  for (int k = 0; k < kCurvePoints; ++k) {
    leave_if(stop);
    const size_t budget = page.least + (page.everything - page.least) * static_cast<size_t>(k) /
                                           static_cast<size_t>(kCurvePoints - 1);
    curve.push_back(planner.fastest(budget));
  }
  return curve;
}

// By --gpus, which plans for GPUs as `train --gpus` trains on them; 1 without it. Throws
// Error(kUsage).
int64_t gpus_of(const Parsed& parsed, train::Options& options) {
  if (!parsed.is_set("gpus")) return 1;
  constexpr int64_t kMost = 1 << 20;
  const int64_t gpus = parsed.whole("gpus", 1);
  if (gpus > kMost) throw Error(ErrorKind::kUsage, "--gpus", str("is at most ", kMost));
  (void)device_argument(parsed, "gpus", "gpu");
  options.train.device = "gpu";
  return gpus;
}

// The last of the ranks draws the most samples, where they do not come out even.
World fullest_rank(int64_t gpus) {
  const int count = static_cast<int>(gpus);
  return {.rank = count - 1, .size = count};
}

train::Setting setting_of(train::Options options, const Target& target, int64_t gpus) {
  options.train.precision = train::precision_on(options, target.device.gpu);
  const DType dtype = type_called(options.train.precision);
  const nn::ModelConfig config = train::model_config(options, *train::medium_of(options));
  return {std::move(options), config, target.device, dtype, fullest_rank(gpus)};
}

void run_plan(const Parsed& parsed, const Stop& stop) {
  for (const char* output : {"json", "picture"}) {
    if (parsed.is_set(output)) check_output_file(parsed.text(output));
  }
  train::Options options = train::read_options(parsed.text("CONFIG"), parsed.overrides);
  const int64_t gpus = gpus_of(parsed, options);
  check_for_any_device(options);
  const std::string& budget = options.memory.budget;
  (void)train::parse_budget(budget, 1000);             // before anything takes time
  (void)train::share_of(options, fullest_rank(gpus));  // before anything takes time
  const Target target = Target::of(options, parsed.text("gpu"));
  const train::Setting setting = setting_of(options, target, gpus);
  const Planner planner(setting, target);
  const auto between = [&] { leave_if(stop); };
  PlanPage page{.config_file = parsed.text("CONFIG"),
                .target = target,
                .setting = setting,
                .dry = planner.dry(),
                .sums_seconds = planner.sums(),
                .budget = train::parse_budget(budget, target.total).value_or(target.available)};
  between();
  page.least = planner.least();
  if (page.budget < page.least) {
    train::check_budget(page.budget, page.least,
                        train::what_to_lower(setting, page.budget, between));
  }
  page.chosen = planner.fastest(page.budget);
  const CurvePoint everything = planner.everything();
  page.everything = everything.bytes;
  page.everything_seconds = everything.seconds;
  page.steps = steps_of(options, page.tokens(), page.samples());
  page.fits = train::what_fits(setting, page.budget, between);
  page.curve = curve_of(planner, page, stop);
  std::fputs(page_text(page).c_str(), stdout);
  if (parsed.is_set("json")) write_atomic(parsed.text("json"), page_json(page));
  if (parsed.is_set("picture")) write_png(parsed.text("picture"), page_picture(page), 2);
}

}  // namespace

Command make_plan_command() {
  return {
      .name = "plan",
      .summary = "Say what a run takes of memory and time, without its data and without a GPU",
      .positionals = {{"CONFIG", "", "", "TOML file with the options of the run"}},
      .flags = {{"--gpu", "NAME", "",
                 "Plan for this GPU from its table, such as h200; otherwise for the one of this "
                 "machine, or for an h200 where there is none"},
                {"--gpus", "N", "",
                 "Plan for N of them that train together, on hosts of 8: what each holds, and how "
                 "fast they would be"},
                {"--json", "FILE", "", "Also write everything there"},
                {"--picture", "FILE", "", "Also draw the time of a step over the memory, as PNG"}},
      .takes_options = true,
      .run = run_plan};
}

}  // namespace lacuna::cli
