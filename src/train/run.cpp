#include "lacuna/train/run.h"

#include <algorithm>
#include <chrono>

#include "lacuna/base/error.h"
#include "lacuna/base/log.h"
#include "lacuna/base/text.h"
#include "lacuna/io/json_line.h"
#include "lacuna/train/progress.h"
#include "lacuna/train/run_folder.h"
#include "lacuna/train/trainer.h"
#include "lacuna/train/weights.h"

namespace lacuna::train {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kMostSkips = 20;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

class Run {
 public:
  Run(const Options& options, const Dataset& data, const RunFolder& folder,
      const std::function<bool()>& stop)
      : data_(data),
        folder_(folder),
        stop_(stop),
        trainer_(options, data),
        step_size_(trainer_.step_size()),
        evaluate_every_(
            parse_length(options.train.evaluate_every, step_size_, "train.evaluate_every")),
        progress_(options.train.log_every) {}

  const nn::ModelConfig& model_config() const { return trainer_.model().config(); }

  // The folder exists by now.
  void train() {
    metrics_.emplace(folder_.metrics());
    introduce();
    start_ = Clock::now();
    bool evaluated = false;
    int64_t skipped_in_a_row = 0;
    while (trainer_.steps_done() < trainer_.steps_total() && !stop_()) {
      const Clock::time_point began = Clock::now();
      const StepResult result = trainer_.step();
      report(result, seconds_since(began));
      skipped_in_a_row = result.skipped ? skipped_in_a_row + 1 : 0;
      if (skipped_in_a_row == kMostSkips) diverged(result.step);
      evaluated = evaluate_every_ > 0 && trainer_.steps_done() % evaluate_every_ == 0;
      if (evaluated) evaluate();
    }
    if (!evaluated && !stop_()) evaluate();
    save();
  }

 private:
  void introduce() {
    const nn::ModelConfig& model = model_config();
    const int64_t parameters = nn::parameter_count(nn::parameter_specs(model));
    progress_.say(str("data    ", data_.describe()));
    progress_.say(str("model   ", grouped(parameters), " parameters, ", model.layers,
                      " layers, width ", model.width, ", ", model.heads, " heads, context ",
                      model.context, ", attention ", join(model.attention, ", ")));
    progress_.say(str("run     ", folder_.path(), ": ", grouped(trainer_.steps_total()),
                      " steps of ", grouped(step_size_.tokens), " tokens on ",
                      trainer_.queue().threads(), " CPU threads"));
    const MemoryUse use = trainer_.memory();
    std::vector<std::string> parts;
    for (size_t tag = 0; tag < kMemoryTags; ++tag) {
      if (use.bytes[tag] == 0) continue;
      parts.push_back(str(name_of(static_cast<MemoryTag>(tag)), " ", human_bytes(use.bytes[tag])));
    }
    progress_.say(str("memory  ", human_bytes(use.total()), ": ", join(parts, ", ")));
    memory_ = use.total();
  }

  void report(const StepResult& result, double seconds) {
    const auto tokens = static_cast<double>(step_size_.tokens);
    // The first step also touches all memory for the first time: the mean starts at the second.
    step_seconds_ = result.step <= 2 ? seconds : 0.9 * step_seconds_ + 0.1 * seconds;
    progress_.show(
        {.step = result.step,
         .total = trainer_.steps_total(),
         .bits = result.bits,
         .tokens_per_second = tokens / step_seconds_,
         .seconds_left = step_seconds_ * static_cast<double>(trainer_.steps_total() - result.step),
         .memory = memory_});
    if (result.skipped) {
      progress_.warn(str("step ", result.step,
                         " was skipped: the loss or a gradient is not finite (",
                         trainer_.steps_skipped(), " skipped so far)"));
    }
    metrics_->append(JsonLine()
                         .add("kind", "train")
                         .add("step", result.step)
                         .add("tokens", result.step * step_size_.tokens)
                         .add("bits", result.bits)
                         .add("gradient_norm", result.gradient_norm)
                         .add("learning_rate", result.learning_rate)
                         .add("skipped", result.skipped)
                         .add("seconds", seconds_since(start_))
                         .add("tokens_per_second", tokens / seconds));
  }

  [[noreturn]] void diverged(int64_t step) {
    save();
    throw Error(ErrorKind::kNumeric, str("step ", step),
                str("training has diverged: ", kMostSkips, " steps in a row were not finite"),
                "The weights before them are saved; lower optim.learning_rate or optim.clip");
  }

  void evaluate() {
    if (data_.size(Split::kValid) == 0) return;
    evaluate(Weights::kRaw);
    if (trainer_.has_average()) evaluate(Weights::kAverage);
  }

  void evaluate(Weights weights) {
    const Evaluation result = trainer_.evaluate(Split::kValid, weights, stop_);
    if (!result.complete) return;
    progress_.say(str("step ", trainer_.steps_done(), "  valid ", fixed(result.bits, 4),
                      " bits per symbol (", name_of(weights), " weights, ",
                      grouped(result.positions), " positions, context 0 to ",
                      model_config().context - 1, ")"));
    metrics_->append(JsonLine()
                         .add("kind", "evaluation")
                         .add("step", trainer_.steps_done())
                         .add("split", split_name(result.split))
                         .add("weights", name_of(weights))
                         .add("bits", result.bits)
                         .add("positions", result.positions)
                         .add("windows", result.windows)
                         .add("min_context", 0)
                         .add("seconds", seconds_since(start_)));
  }

  void save() {
    const std::map<std::string, std::string> facts{{"format", "lacuna"},
                                                   {"step", std::to_string(trainer_.steps_done())}};
    save_weights(folder_.weights(), trainer_.weights(Weights::kRaw), facts);
    if (trainer_.has_average()) {
      save_weights(folder_.average(), trainer_.weights(Weights::kAverage), facts);
    }
    const bool stopped = trainer_.steps_done() < trainer_.steps_total();
    progress_.say(str(stopped ? "stopped" : "done", " after ", trainer_.steps_done(), " steps and ",
                      human_seconds(seconds_since(start_)), "; weights in ", folder_.path()));
  }

  const Dataset& data_;
  const RunFolder& folder_;
  const std::function<bool()>& stop_;
  Trainer trainer_;
  StepSize step_size_;
  int64_t evaluate_every_;
  Progress progress_;
  std::optional<JsonlFile> metrics_;
  Clock::time_point start_;
  double step_seconds_ = 0;
  size_t memory_ = 0;
};

}  // namespace

void run_training(Options options, bool overwrite, const std::function<bool()>& stop) {
  const RunFolder folder(options.train.run);
  folder.check_free(overwrite);
  const std::unique_ptr<Dataset> data = open_dataset(dataset_config(options));
  Run run(options, *data, folder, stop);
  const nn::ModelConfig& model = run.model_config();
  options.model.qk_width = model.qk_width;
  options.model.feedforward_width = model.feedforward_width;
  options.model.position_tables = model.position_tables;
  folder.create(options);
  open_log_file(folder.log());
  run.train();
}

}  // namespace lacuna::train
