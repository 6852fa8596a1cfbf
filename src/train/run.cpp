#include "lacuna/train/run.h"

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "lacuna/base/error.h"
#include "lacuna/base/files.h"
#include "lacuna/base/log.h"
#include "lacuna/base/text.h"
#include "lacuna/io/json_line.h"
#include "lacuna/train/progress.h"
#include "lacuna/train/run_folder.h"
#include "lacuna/train/saved_run.h"
#include "lacuna/train/trainer.h"
#include "lacuna/train/weights.h"

namespace lacuna::train {
namespace {

namespace fs = std::filesystem;

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
        data_identity_(data.identity()),
        config_(to_toml(options)),
        trainer_(options, data),
        step_size_(trainer_.step_size()),
        evaluate_every_(
            parse_length(options.train.evaluate_every, step_size_, "train.evaluate_every")),
        checkpoint_every_(parse_length(options.checkpoint.every, step_size_, "checkpoint.every")),
        writer_(CheckpointFolder(folder.checkpoints()),
                {options.checkpoint.keep_last,
                 parse_length(options.checkpoint.keep_every, step_size_, "checkpoint.keep_every")}),
        progress_(options.train.log_every) {}

  const nn::ModelConfig& model_config() const { return trainer_.model().config(); }

  Trainer& trainer() { return trainer_; }

  // Goes on from a verified checkpoint.
  void restore(const std::string& checkpoint) {
    const TrainingState state = read_state(checkpoint);
    if (state.data != data_identity_) {
      throw Error(ErrorKind::kConfig, "--resume",
                  str("the run was started on other data: ", state.data, ", not ", data_identity_),
                  "Start a new run, or take its weights alone with --init-from");
    }
    trainer_.restore(checkpoint);
    best_bits_ = state.best_bits;
    evaluation_due_ = state.evaluation_due;
    saved_step_ = state.step;
  }

  // The folder exists by now, and config.toml in it.
  void train() {
    metrics_.emplace(folder_.metrics());
    introduce();
    start_ = Clock::now();
    if (evaluation_due_) {
      const bool best = evaluate();
      checkpoint(best);  // in any case, so that it is not made up for twice
    }
    bool evaluated = trainer_.steps_done() >= trainer_.steps_total();  // resumed at its end
    int64_t skipped_in_a_row = 0;
    while (trainer_.steps_done() < trainer_.steps_total() && !stop_()) {
      const Clock::time_point began = Clock::now();
      const StepResult result = trainer_.step();
      report(result, seconds_since(began));
      skipped_in_a_row = result.skipped ? skipped_in_a_row + 1 : 0;
      if (skipped_in_a_row == kMostSkips) diverged(result.step);
      evaluated = is_due(evaluate_every_);
      const bool best = evaluated && evaluate();
      if (best || is_due(checkpoint_every_)) checkpoint(best);
    }
    const bool at_end = trainer_.steps_done() >= trainer_.steps_total();
    finish(at_end && !evaluated && evaluate());
  }

 private:
  std::string floor_text(Split split) const {
    const std::optional<double> floor = data_.floor_bits(split);
    return floor ? ", floor " + fixed(*floor, 4) : "";
  }

  bool is_due(int64_t every) const { return every > 0 && trainer_.steps_done() % every == 0; }

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
    step_seconds_ = ++reported_ <= 2 ? seconds : 0.9 * step_seconds_ + 0.1 * seconds;
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
    record(JsonLine()
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
    finish(false);
    throw Error(ErrorKind::kNumeric, str("step ", step),
                str("training has diverged: ", kMostSkips, " steps in a row were not finite"),
                "The weights before them are saved; lower optim.learning_rate or optim.clip");
  }

  // Whether the weights are the best so far. An evaluation that is stopped leaves no trace but that
  // it is due.
  bool evaluate() {
    evaluation_due_ = false;
    if (data_.size(Split::kValid) == 0) return false;
    std::vector<std::pair<Weights, Evaluation>> results;
    for (const Weights weights : {Weights::kRaw, Weights::kAverage}) {
      if (weights == Weights::kAverage && !trainer_.has_average()) continue;
      results.emplace_back(weights, trainer_.evaluate(Split::kValid, weights, stop_));
      evaluation_due_ = evaluation_due_ || !results.back().second.complete;
    }
    if (evaluation_due_) return false;
    for (const auto& [weights, result] : results) report(weights, result);
    const double bits = results.back().second.bits;
    if (best_bits_ && bits >= *best_bits_) return false;
    best_bits_ = bits;
    return true;
  }

  void report(Weights weights, const Evaluation& result) {
    progress_.say(str("step ", trainer_.steps_done(), "  valid ", fixed(result.bits, 4),
                      " bits per symbol (", name_of(weights), " weights, ",
                      grouped(result.positions), " positions, minimum context 0",
                      floor_text(result.split), ")"));
    record(JsonLine()
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

  // A full disk must not end a run: it is said once, and again at the end.
  void record(const JsonLine& line) {
    try {
      metrics_->append(line);
    } catch (const Error& failure) {
      if (metrics_failure_.empty()) progress_.warn(str("metrics are lost: ", failure.what()));
      metrics_failure_ = failure.what();
    }
  }

  // Training waits for the copy only.
  void checkpoint(bool best) {
    writer_.wait();  // so that there is one copy at a time
    saved_step_ = trainer_.steps_done();
    Snapshot snapshot = trainer_.snapshot();
    snapshot.state.best_bits = best_bits_;
    snapshot.state.evaluation_due = evaluation_due_;
    snapshot.state.data = data_identity_;
    snapshot.config = config_;
    snapshot.best = best;
    writer_.start(std::move(snapshot));
  }

  void finish(bool best) {
    writer_.wait();
    const bool saved = saved_step_ == trainer_.steps_done() && writer_.failure().empty();
    if (best || !saved) checkpoint(best);
    writer_.wait();
    save_final_weights();
    if (!writer_.failure().empty()) {
      throw Error(ErrorKind::kIo, folder_.checkpoints(),
                  "the last checkpoint could not be written: " + writer_.failure(),
                  "The weights are saved, but the run cannot be resumed from here");
    }
    if (!metrics_failure_.empty()) {
      throw Error(ErrorKind::kIo, folder_.metrics(), "lines were lost: " + metrics_failure_,
                  "The weights and the checkpoint are saved");
    }
  }

  void save_final_weights() {
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
  std::string data_identity_;
  std::string config_;
  Trainer trainer_;
  StepSize step_size_;
  int64_t evaluate_every_;
  int64_t checkpoint_every_;
  CheckpointWriter writer_;
  std::optional<double> best_bits_;  // of the weights that evaluation prefers
  Progress progress_;
  std::optional<JsonlFile> metrics_;
  Clock::time_point start_;
  double step_seconds_ = 0;
  int64_t reported_ = 0;     // steps of this process
  int64_t saved_step_ = -1;  // of the last checkpoint that was begun
  bool evaluation_due_ = false;
  std::string metrics_failure_;
  size_t memory_ = 0;
};

// The checkpoint to go on from; empty when the run begins at the start.
std::string checkpoint_for(const RunRequest& request, const RunFolder& folder) {
  if (request.resume.empty()) return "";
  if (request.overwrite || !request.init_from.empty()) {
    throw Error(ErrorKind::kUsage, "--resume",
                "contradicts --overwrite and --init-from: a resumed run goes on as it was");
  }
  if (request.resume != "auto") {
    verify_checkpoint(request.resume);
    return request.resume;
  }
  const CheckpointFolder checkpoints(folder.checkpoints());
  std::string newest = checkpoints.newest_complete();
  if (newest.empty() && (!checkpoints.steps().empty() || fs::exists(folder.weights()))) {
    throw Error(ErrorKind::kData, folder.checkpoints(), "none of the run's checkpoints is complete",
                "Use --overwrite to begin again, or --init-from for its weights alone");
  }
  return newest;
}

// A resumed run may go on in its own folder; any other must be free.
void check_folder(const RunRequest& request, const RunFolder& folder,
                  const std::string& checkpoint) {
  std::error_code ignored;
  const bool own = request.resume == "auto"
                       ? folder.has_run()
                       : !checkpoint.empty() &&
                             fs::equivalent(checkpoint + "/..", folder.checkpoints(), ignored);
  if (!own) folder.check_free(request.overwrite);
}

}  // namespace

void run_training(const RunRequest& request, const std::function<bool()>& stop) {
  Options options = request.options;
  const RunFolder folder(options.train.run);
  std::optional<FolderLock> lock;  // from before the checkpoint is chosen
  if (folder.has_run()) lock.emplace(folder.path());
  const std::string checkpoint = checkpoint_for(request, folder);
  check_folder(request, folder, checkpoint);
  const std::unique_ptr<Dataset> data = open_dataset(dataset_config(options));
  const nn::ModelConfig model = model_config(options, data->vocabulary());
  options.model.qk_width = model.qk_width;
  options.model.feedforward_width = model.feedforward_width;
  options.model.position_tables = model.position_tables;
  if (!checkpoint.empty()) {
    check_resumable(read_options(checkpoint + "/config.toml", {}), options);
  }

  Run run(options, *data, folder, stop);
  if (!checkpoint.empty()) run.restore(checkpoint);
  if (!request.init_from.empty()) {
    run.trainer().start_from(weights_in(request.init_from, false));
  }
  folder.make();
  if (!lock) lock.emplace(folder.path());
  if (checkpoint.empty()) {
    folder.begin(options);
  } else {
    folder.continue_after(run.trainer().steps_done(), options);
    CheckpointFolder(folder.checkpoints()).discard_after(run.trainer().steps_done());
  }
  open_log_file(folder.log());
  if (!checkpoint.empty()) log_info("resumed from " + checkpoint);
  run.train();
}

}  // namespace lacuna::train
