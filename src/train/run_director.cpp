#include "run_director.h"

#include <cmath>
#include <exception>
#include <utility>

#include "gpu_fault.h"
#include "lacuna/base/error.h"
#include "lacuna/base/log.h"
#include "lacuna/base/text.h"
#include "lacuna/comm/lost_rank.h"
#include "lacuna/train/matrix_rate.h"
#include "manifest.h"
#include "resume.h"
#include "run_samples.h"
#include "run_summary.h"

namespace lacuna::train {
namespace {

constexpr int64_t kMostSkips = 20;

template <class Work>
void with_gpu_faults(const Trainer& trainer, const Work& work) {
  try {
    work();
  } catch (const DeviceError& fault) {
    throw gpu_fault(fault, trainer);
  }
}

}  // namespace

RunDirector::RunDirector(const Options& options, const Dataset& data, std::string data_identity,
                         const RunFolder& folder, const std::shared_ptr<Group>& group,
                         StopSign& stop)
    : options_(options),
      data_(data),
      folder_(folder),
      stop_(stop),
      data_identity_(std::move(data_identity)),
      config_(to_toml(options)),
      trainer_(options, data, group),
      step_size_(trainer_.step_size()),
      plan_(run_plan(options, step_size_,
                     evaluated_symbols(options, data, options.train.evaluate_limit))),
      retention_{options.checkpoint.keep_last,
                 parse_length(options.checkpoint.keep_every, step_size_, "checkpoint.keep_every")},
      output_(folder, retention_, group->is_first()),
      best_{.patience = options.train.patience},
      display_(options.train.log_every) {
  check_patience(options, step_size_, has_validation());
  group->watch([this] { return whereabouts(trainer_); });
  goes_on(options.dist.save_patience);  // until the run is open
}

RunDirector::~RunDirector() {
  trainer_.group().watch({});
}

void RunDirector::restore(const std::string& checkpoint) {
  const TrainingState state = read_state(checkpoint);
  if (state.data != data_identity_) {
    throw Error(ErrorKind::kConfig, "--resume",
                str("the run was started on other data: ", state.data, ", not ", data_identity_),
                "Start a new run, or take its weights alone with --init-from");
  }
  trainer_.restore(checkpoint);
  rate_jump_ =
      rate_jump(read_options(checkpoint + "/config.toml", {}), options_, step_size_, state.updates);
  take(state);
  saved_step_ = state.step;
}

void RunDirector::take_state_of_first() {
  trainer_.take_state_of_first();
  const std::string state = state_text(own_state());
  take(parse_state(trainer_.group().from_first("where the run stands", state), "rank 0"));
}

TrainingState RunDirector::own_state() const {
  return {.best_bits = best_.bits,
          .since_best = best_.since,
          .evaluation_due = evaluation_due_,
          .data = data_identity_};
}

void RunDirector::take(const TrainingState& state) {
  best_.bits = state.best_bits;
  best_.since = state.since_best;
  evaluation_due_ = state.evaluation_due;
}

void RunDirector::discard_later_checkpoints() const {
  CheckpointFolder(folder_.checkpoints()).discard_after(trainer_.steps_done(), retention_);
}

// From here on the display lives.
void RunDirector::open(const std::string& first) {
  if (!first.empty()) log_info(first);
  for (const std::string& line : run_summary(data_, trainer_, folder_.path())) log_info(line);
  if (trainer_.group().is_first()) {
    for (const std::string& line : run_warnings(options_, trainer_)) log_warning(line);
  }
  if (!rate_jump_.empty()) log_warning(rate_jump_);
  with_gpu_faults(trainer_, [this] {
    const double peak = matrix_rate(trainer_.queue(), trainer_.model().dtype());
    begin_ = Clock::now();
    progress_.emplace(trainer_, data_.medium().unit(), plan_, display_, peak);
  });
}

bool RunDirector::try_first_step() {
  if (at_end() || evaluation_due_) return true;
  with_gpu_faults(trainer_, [this] {
    const bool first = trainer_.steps_done() == 0;
    if (first && options_.train.evaluate_first == "yes" && has_validation()) {
      untrained_ = evaluate(options_.train.evaluate_limit);
    }
    if (stop_.ask_all("before the first step")) return;
    goes_on(options_.dist.step_patience);
    trainer_.begin_step(stop_.wanted());
    trainer_.queue().wait();
  });
  return trainer_.unfinished() > 0;
}

// A rank that does not say so in time counts as lost.
void RunDirector::goes_on(double patience) {
  trainer_.group().goes_on(std::chrono::seconds(static_cast<int64_t>(std::ceil(patience))));
}

void RunDirector::count(int64_t done, int64_t all) {
  progress_->counted(done, all);
  goes_on(options_.dist.step_patience);
}

void RunDirector::train() {
  with_gpu_faults(trainer_, [this] { train_to_the_end(); });
}

void RunDirector::train_to_the_end() {
  output_.open(data_, data_identity_, trainer_, begin_);
  if (untrained_ && untrained_->complete) report(*untrained_, 0);
  std::exception_ptr failure;
  try {
    train_steps();
  } catch (const DeviceError&) {
    throw;
  } catch (const Error&) {  // such as data that cannot be read any more: the run is saved first
    if (!alone()) throw;    // the others wait in the step that this rank cannot do
    failure = std::current_exception();
  }
  finish();
  if (failure) std::rethrow_exception(failure);
  if (!diverged_at_) return;
  throw Error(ErrorKind::kNumeric, str("step ", *diverged_at_),
              str("training has diverged: ", kMostSkips, " steps in a row were not finite"),
              "The weights before them are saved; lower optim.learning_rate or optim.clip");
}

void RunDirector::train_steps() {
  if (evaluation_due_) {
    const bool best = evaluate();
    checkpoint(best);  // in any case, so that it is not made up for twice
  }
  if (best_.out_of_patience()) log_info("the run has ended early: train.patience is used up");
  bool begun_already = trainer_.unfinished() > 0;
  while (begun_already || (!at_end() && !diverged_at_ && !stop_.is_up())) {
    if (!std::exchange(begun_already, false)) trainer_.begin_step(stop_.wanted());
    // What looks at the weights wants the step finished; otherwise the next one is begun first.
    const int64_t begun = trainer_.steps_done() + trainer_.unfinished();
    const auto due = [&](Chore chore) { return plan_.is_due(chore, begun); };
    const bool pause = stop_.is_up() || due(Chore::kEvaluation) || due(Chore::kCheckpoint) ||
                       due(Chore::kSample) || begun >= trainer_.steps_total();
    while (trainer_.unfinished() > (pause ? 0 : trainer_.steps_ahead())) finish_step();
    if (!pause || diverged_at_) continue;
    const bool best = due(Chore::kEvaluation) && evaluate();
    if (best || due(Chore::kCheckpoint)) checkpoint(best);
    if (due(Chore::kSample)) draw_sample();
  }
}

bool RunDirector::has_validation() const {
  return evaluated_symbols(options_, data_, 0) > 0;
}

bool RunDirector::at_end() const {
  return trainer_.steps_done() >= trainer_.steps_total() || best_.out_of_patience();
}

void RunDirector::finish_step() {
  const StepResult result = trainer_.finish_step();
  goes_on(options_.dist.step_patience);
  stop_.agree(result.stop);
  report(result, progress_->step_done());
  skipped_in_a_row_ = result.skipped ? skipped_in_a_row_ + 1 : 0;
  if (skipped_in_a_row_ == kMostSkips) diverged_at_ = result.step;
}

void RunDirector::report(const StepResult& result, double seconds) {
  output_.add_step(result, result.step * step_size_.tokens,
                   static_cast<double>(step_size_.tokens) / seconds);
  progress_->show_step(output_.smoothed_bits());
  if (result.skipped && trainer_.group().is_first()) {
    log_warning(str("step ", result.step, " was skipped: the loss or a gradient is not finite (",
                    trainer_.steps_skipped(), " skipped so far",
                    result.loss_scale == 1 ? "" : str(", loss scale ", result.loss_scale), ")"));
  }
}

// Whether the weights are the best so far, which evaluations of one size tell by the first
// validation set. One that is not made to its end leaves no trace but that it is due.
bool RunDirector::evaluate() {
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

EvaluationRound RunDirector::evaluate(int64_t limit) {
  progress_->begin(Chore::kEvaluation);
  const auto counted = [this](int64_t done, int64_t all) { count(done, all); };
  const auto stop = [this] { return stop_.wanted(); };
  const EvaluationRound round = evaluate_all(trainer_, data_, limit, stop, counted);
  stop_.agree(!round.complete);
  progress_->end(round.complete);
  return round;
}

// Whether no evaluation comes after the one with these bits.
bool RunDirector::is_last(double bits) const {
  BestSoFar then = best_;
  then.judge(bits);
  return trainer_.steps_done() >= trainer_.steps_total() || then.out_of_patience();
}

// Whether these bits are the best so far.
bool RunDirector::judge(double bits) {
  const bool best = best_.judge(bits);
  if (best_.out_of_patience()) {
    log_info(str("step ", trainer_.steps_done(), "  ends early: ", best_.since,
                 " evaluations in a row brought no new best; the best checkpoint is kept"));
    output_.add_early_stop(trainer_.steps_done(), best_);
  }
  return best;
}

void RunDirector::report(const EvaluationRound& round, int64_t step) {
  for (const EvaluationRound::Result& result : round.results) {
    log_info(evaluation_line(step, result, data_.medium().unit()));
  }
  output_.add_evaluation(step, round, data_.medium().unit(), data_identity_);
}

// A sample that cannot be written must not end a run; the next step on a failed device would.
void RunDirector::draw_sample() {
  progress_->begin(Chore::kSample);
  const auto counted = [this](int64_t drawn, int64_t all) { count(drawn, all); };
  const int64_t length = sample_config(options_, data_.medium()).length;
  bool written = false;
  try {
    const auto samples = draw_samples(
        trainer_, length, [this] { return stop_.wanted(); }, counted);
    stop_.agree(!samples);
    if (samples) output_.write_samples(trainer_.steps_done(), data_.medium(), *samples);
    written = samples.has_value();
  } catch (const DeviceError&) {
    throw;
  } catch (const LostRank&) {
    throw;
  } catch (const Error& failure) {
    log_warning(str("no sample was written: ", failure.what()));
  }
  progress_->end(written);
}

// Training waits for the copy only.
void RunDirector::checkpoint(bool best) {
  progress_->begin(Chore::kCheckpoint);
  goes_on(options_.dist.save_patience);
  trainer_.check_equal_weights();
  saved_step_ = trainer_.steps_done();
  output_.begin_checkpoint(trainer_, own_state(), config_, best);
  // The first may have waited until the last one was written.
  trainer_.group().from_first("that a checkpoint is being written", "");
  goes_on(options_.dist.step_patience);
  progress_->end(true);
}

void RunDirector::finish() {
  while (trainer_.unfinished() > 0) finish_step();
  progress_->begin(Chore::kSaving);
  goes_on(options_.dist.save_patience);
  const bool written = output_.finish_checkpoint() && saved_step_ == trainer_.steps_done();
  const std::string again = written ? "no" : "yes";
  if (trainer_.group().from_first("whether one more checkpoint is due", again) == "yes") {
    checkpoint(false);
  }
  progress_->begin(Chore::kSaving);
  goes_on(options_.dist.save_patience);
  output_.finish_checkpoint();
  output_.write_weights(trainer_);
  progress_.reset();
  log_info(last_line(folder_, {.steps = trainer_.steps_done(),
                               .seconds = output_.seconds(),
                               .at_end = at_end(),
                               .evaluation_due = evaluation_due_,
                               .stopped = stop_.is_up()}));
  output_.check_nothing_was_lost();
  trainer_.group().from_first("that all is saved", "");
}

}  // namespace lacuna::train
