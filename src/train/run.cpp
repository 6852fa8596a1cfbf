#include "lacuna/train/run.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <exception>
#include <utility>

#include "data_identity.h"
#include "gpu_fault.h"
#include "lacuna/base/error.h"
#include "lacuna/base/files.h"
#include "lacuna/base/log.h"
#include "lacuna/base/text.h"
#include "lacuna/train/best_so_far.h"
#include "lacuna/train/matrix_rate.h"
#include "lacuna/train/run_display.h"
#include "lacuna/train/run_folder.h"
#include "lacuna/train/saved_run.h"
#include "lacuna/train/trainer.h"
#include "lacuna/train/weights.h"
#include "resume.h"
#include "run_evaluation.h"
#include "run_output.h"
#include "run_progress.h"
#include "run_samples.h"
#include "run_summary.h"

namespace lacuna::train {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kMostSkips = 20;

class Run {
 public:
  Run(const Options& options, const Dataset& data, std::string data_identity,
      const RunFolder& folder, const std::function<bool()>& stop)
      : options_(options),
        data_(data),
        folder_(folder),
        stop_(stop),
        data_identity_(std::move(data_identity)),
        config_(to_toml(options)),
        trainer_(options, data),
        step_size_(trainer_.step_size()),
        plan_(run_plan(options, step_size_,
                       evaluated_symbols(options, data, options.train.evaluate_limit))),
        retention_{options.checkpoint.keep_last, parse_length(options.checkpoint.keep_every,
                                                              step_size_, "checkpoint.keep_every")},
        output_(folder, retention_, true),
        best_{.patience = options.train.patience},
        display_(options.train.log_every) {
    check_patience(options, step_size_, has_validation());
  }

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
    rate_jump_ = rate_jump(read_options(checkpoint + "/config.toml", {}), options_, step_size_,
                           state.updates);
    best_.bits = state.best_bits;
    best_.since = state.since_best;
    evaluation_due_ = state.evaluation_due;
    saved_step_ = state.step;
  }

  // Which this run will write again, and what killed processes left.
  void discard_later_checkpoints() const {
    CheckpointFolder(folder_.checkpoints()).discard_after(trainer_.steps_done(), retention_);
  }

  // Says what the run is. From here on the display lives.
  void open(const std::string& first) {
    if (!first.empty()) log_info(first);
    for (const std::string& line : run_summary(data_, trainer_, folder_.path())) log_info(line);
    for (const std::string& line : run_warnings(options_, trainer_)) log_warning(line);
    if (!rate_jump_.empty()) log_warning(rate_jump_);
    with_gpu_faults([this] {
      const double peak = matrix_rate(trainer_.queue(), trainer_.model().dtype());
      begin_ = Clock::now();
      progress_.emplace(trainer_, data_.medium().unit(), plan_, display_, peak);
    });
  }

  // Does the first step, if one comes next, before anything in the folder is touched: a run that
  // cannot do it, for want of memory or otherwise, replaces none. Before the first step of all,
  // train.evaluate_first evaluates. False when it was stopped before the step.
  bool try_first_step() {
    if (at_end() || evaluation_due_) return true;
    with_gpu_faults([this] {
      const bool first = trainer_.steps_done() == 0;
      if (first && options_.train.evaluate_first == "yes" && has_validation()) {
        untrained_ = evaluate(options_.train.evaluate_limit);
      }
      if (stop_()) return;
      trainer_.begin_step();
      trainer_.queue().wait();
    });
    return trainer_.unfinished() > 0;
  }

  // The folder exists by now, and config.toml in it.
  void train() {
    with_gpu_faults([this] { train_to_the_end(); });
  }

 private:
  template <class Work>
  void with_gpu_faults(const Work& work) {
    try {
      work();
    } catch (const DeviceError& fault) {
      throw gpu_fault(fault, trainer_);
    }
  }

  void train_to_the_end() {
    output_.open(data_, data_identity_, trainer_, begin_);
    if (untrained_ && untrained_->complete) report(*untrained_, 0);
    std::exception_ptr failure;
    try {
      train_steps();
    } catch (const DeviceError&) {
      throw;
    } catch (const Error&) {  // such as data that cannot be read any more: the run is saved first
      failure = std::current_exception();
    }
    finish();
    if (failure) std::rethrow_exception(failure);
    if (!diverged_at_) return;
    throw Error(ErrorKind::kNumeric, str("step ", *diverged_at_),
                str("training has diverged: ", kMostSkips, " steps in a row were not finite"),
                "The weights before them are saved; lower optim.learning_rate or optim.clip");
  }

  void train_steps() {
    if (evaluation_due_) {
      const bool best = evaluate();
      checkpoint(best);  // in any case, so that it is not made up for twice
    }
    if (best_.out_of_patience()) log_info("the run has ended early: train.patience is used up");
    bool begun_already = trainer_.unfinished() > 0;
    while (begun_already || (!at_end() && !diverged_at_ && !stop_())) {
      if (!std::exchange(begun_already, false)) trainer_.begin_step();
      // What looks at the weights wants the step finished; otherwise the next one is begun first.
      const int64_t begun = trainer_.steps_done() + trainer_.unfinished();
      const auto due = [&](Chore chore) { return plan_.is_due(chore, begun); };
      const bool pause = stop_() || due(Chore::kEvaluation) || due(Chore::kCheckpoint) ||
                         due(Chore::kSample) || begun >= trainer_.steps_total();
      while (trainer_.unfinished() > (pause ? 0 : trainer_.steps_ahead())) finish_step();
      if (!pause || diverged_at_) continue;
      const bool best = due(Chore::kEvaluation) && evaluate();
      if (best || due(Chore::kCheckpoint)) checkpoint(best);
      if (due(Chore::kSample)) draw_sample();
    }
  }

  bool has_validation() const { return evaluated_symbols(options_, data_, 0) > 0; }
  bool at_end() const {
    return trainer_.steps_done() >= trainer_.steps_total() || best_.out_of_patience();
  }

  void finish_step() {
    const StepResult result = trainer_.finish_step();
    report(result, progress_->step_done());
    skipped_in_a_row_ = result.skipped ? skipped_in_a_row_ + 1 : 0;
    if (skipped_in_a_row_ == kMostSkips) diverged_at_ = result.step;
  }

  void report(const StepResult& result, double seconds) {
    output_.add_step(result, result.step * step_size_.tokens,
                     static_cast<double>(step_size_.tokens) / seconds);
    progress_->show_step(output_.smoothed_bits());
    if (result.skipped) {
      log_warning(str("step ", result.step, " was skipped: the loss or a gradient is not finite (",
                      trainer_.steps_skipped(), " skipped so far",
                      result.loss_scale == 1 ? "" : str(", loss scale ", result.loss_scale), ")"));
    }
  }

  // Whether the weights are the best so far, which evaluations of one size tell by the first
  // validation set. One that is not made to its end leaves no trace but that it is due.
  bool evaluate() {
    evaluation_due_ = has_validation();  // also when the data cannot be read
    if (!evaluation_due_) return false;
    std::vector<EvaluationRound> rounds{evaluate(options_.train.evaluate_limit)};
    const double bits = rounds.front().judged_bits;
    if (rounds.front().limited() && is_last(bits)) rounds.push_back(evaluate(0));
    evaluation_due_ = !rounds.back().complete;
    if (evaluation_due_) return false;
    for (const EvaluationRound& round : rounds) report(round, trainer_.steps_done());
    return judge(bits);
  }

  EvaluationRound evaluate(int64_t limit) {
    progress_->begin(Chore::kEvaluation);
    const auto counted = [this](int64_t done, int64_t all) { progress_->counted(done, all); };
    const EvaluationRound round = evaluate_all(trainer_, data_, limit, stop_, counted);
    progress_->end(round.complete);
    return round;
  }

  // Whether no evaluation comes after the one with these bits.
  bool is_last(double bits) const {
    BestSoFar then = best_;
    then.judge(bits);
    return trainer_.steps_done() >= trainer_.steps_total() || then.out_of_patience();
  }

  // Whether these bits are the best so far.
  bool judge(double bits) {
    const bool best = best_.judge(bits);
    if (best_.out_of_patience()) {
      log_info(str("step ", trainer_.steps_done(), "  ends early: ", best_.since,
                   " evaluations in a row brought no new best; the best checkpoint is kept"));
      output_.add_early_stop(trainer_.steps_done(), best_);
    }
    return best;
  }

  void report(const EvaluationRound& round, int64_t step) {
    for (const EvaluationRound::Result& result : round.results) {
      log_info(evaluation_line(step, result, data_.medium().unit()));
    }
    output_.add_evaluation(step, round, data_.medium().unit(), data_identity_);
  }

  // A sample that cannot be written must not end a run; the next step on a failed device would.
  void draw_sample() {
    progress_->begin(Chore::kSample);
    bool written = false;
    try {
      const auto samples = draw_samples(
          trainer_, stop_, [this](int64_t drawn, int64_t all) { progress_->counted(drawn, all); });
      if (samples) output_.write_samples(trainer_.steps_done(), data_.medium(), *samples);
      written = samples.has_value();
    } catch (const DeviceError&) {
      throw;
    } catch (const Error& failure) {
      log_warning(str("no sample was written: ", failure.what()));
    }
    progress_->end(written);
  }

  // Training waits for the copy only.
  void checkpoint(bool best) {
    progress_->begin(Chore::kCheckpoint);
    saved_step_ = trainer_.steps_done();
    output_.begin_checkpoint(trainer_,
                             {.best_bits = best_.bits,
                              .since_best = best_.since,
                              .evaluation_due = evaluation_due_,
                              .data = data_identity_},
                             config_, best);
    progress_->end(true);
  }

  void finish() {
    while (trainer_.unfinished() > 0) finish_step();
    progress_->begin(Chore::kSaving);
    const bool written = output_.finish_checkpoint();
    if (!written || saved_step_ != trainer_.steps_done()) checkpoint(false);
    progress_->begin(Chore::kSaving);
    output_.finish_checkpoint();
    output_.write_weights(trainer_);
    progress_.reset();
    log_info(last_line(folder_, {.steps = trainer_.steps_done(),
                                 .seconds = output_.seconds(),
                                 .at_end = at_end(),
                                 .evaluation_due = evaluation_due_,
                                 .stopped = stop_()}));
    output_.check_nothing_was_lost();
  }

  const Options& options_;
  const Dataset& data_;
  const RunFolder& folder_;
  const std::function<bool()>& stop_;
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

}  // namespace

void run_training(const RunRequest& request, const std::function<bool()>& stop) {
  Options options = request.options;
  check_options(options);
  const RunFolder folder(options.train.run);
  std::optional<FolderLock> lock;  // from before the checkpoint is chosen
  if (folder.has_run()) lock.emplace(folder.path());
  const auto [checkpoint, own] = choose_start(request, folder);
  resolve(options);
  const std::unique_ptr<Dataset> data = open_dataset(dataset_config(options));
  check_data_stays(options, folder);
  if (!checkpoint.empty()) {
    check_resumable(read_options(checkpoint + "/config.toml", {}), options);
  }

  const bool is_there = lock.has_value();
  const auto say_stopped = [&] {
    log_info(str("stopped before the first step was done; ",
                 is_there ? "the run is as it was in " : "no run was begun in ", folder.path()));
  };
  const std::optional<std::string> identity = identity_of(*data, stop);
  if (!identity) return say_stopped();
  Run run(options, *data, *identity, folder, stop);
  if (!checkpoint.empty()) run.restore(checkpoint);
  if (!request.init_from.empty()) {
    run.trainer().start_from(weights_in(request.init_from, false));
  }
  const bool fresh = folder.make();
  if (!lock) {
    lock.emplace(folder.path());
    folder.check_free(false);  // another process may have been here meanwhile
  }
  const auto leave_folder = [&] {
    lock.reset();
    if (fresh) folder.unmake();
  };
  bool stopped = false;
  try {
    if (!checkpoint.empty()) {
      run.open("resumed from " + checkpoint);
    } else {
      run.open(request.resume.empty()
                   ? ""
                   : "nothing to resume in " + folder.path() + ": a new run begins");
    }
    stopped = stop() || !run.try_first_step();
  } catch (...) {
    leave_folder();
    throw;
  }
  if (!own && (stopped || (is_there && stop()))) {
    leave_folder();
    return say_stopped();
  }
  if (own) {
    folder.continue_after(run.trainer().steps_done(), options);
    run.discard_later_checkpoints();
  } else {
    folder.begin(options);
  }
  open_log_file(folder.log());
  run.train();
}

}  // namespace lacuna::train
