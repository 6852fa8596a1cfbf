#include "lacuna/train/run_plan.h"

#include "../catch.h"

using namespace lacuna::train;

namespace {

// 100 steps with an evaluation every 30, a sample every 50 and a checkpoint every 20.
RunPlan plan() {
  return {.steps = 100, .every = {30, 50, 20, 0}, .evaluation_steps = 4};
}

TimeLeft after_steps(const RunPlan& plan, double seconds) {
  TimeLeft left(plan);
  left.step_took(10 * seconds);  // the first also touches all memory
  left.step_took(seconds);
  return left;
}

}  // namespace

TEST_CASE("chores are due at their multiples, and an evaluation after the last step too") {
  CHECK(plan().is_due(Chore::kEvaluation, 30));
  CHECK_FALSE(plan().is_due(Chore::kEvaluation, 31));
  CHECK(plan().is_due(Chore::kEvaluation, 100));
  CHECK_FALSE(plan().is_due(Chore::kSaving, 100));
  CHECK(plan().times(Chore::kEvaluation, 0) == 4);  // 30, 60, 90, 100
  CHECK(plan().times(Chore::kEvaluation, 29) == 4);
  CHECK(plan().times(Chore::kEvaluation, 30) == 3);
  CHECK(plan().times(Chore::kEvaluation, 99) == 1);
  CHECK(plan().times(Chore::kEvaluation, 100) == 0);
  CHECK(plan().times(Chore::kSample, 0) == 2);  // 50 and 100, the end is no other
  CHECK(plan().times(Chore::kSaving, 0) == 0);
  const RunPlan at_the_end{.steps = 100};
  CHECK(at_the_end.times(Chore::kEvaluation, 0) == 1);
  CHECK(at_the_end.times(Chore::kCheckpoint, 0) == 0);
  for (const Chore chore : {Chore::kEvaluation, Chore::kSample, Chore::kCheckpoint}) {
    for (int64_t after = 0; after < 100; ++after) {
      int64_t counted = 0;
      for (int64_t step = after + 1; step <= 100; ++step) counted += plan().is_due(chore, step);
      CHECK(plan().times(chore, after) == counted);
    }
  }
}

TEST_CASE("an evaluation is guessed at a third of a training step for each of its sequences") {
  Options options;
  options.train.length = "100 steps";
  options.train.batch = 4;
  options.model.context = 32;
  options.optim.average = 0.999;
  const StepSize step{.tokens = 256, .samples = 8, .samples_per_epoch = 1000};
  // 900 symbols are 29 windows, which take 8 batches of 4, for each of two sets of weights.
  CHECK(run_plan(options, step, 900).evaluation_steps == Approx(2 * 32 / 8.0 / 3));
  options.optim.average = 0;
  CHECK(run_plan(options, step, 900).evaluation_steps == Approx(32 / 8.0 / 3));
  CHECK(run_plan(options, step, 0).evaluation_steps == 0);
}

TEST_CASE("the time left counts steps and the evaluations that are still to come") {
  TimeLeft left = after_steps(plan(), 2);
  CHECK(*left.seconds(2, 0, 0) == Approx(98 * 2 + 4 * 4 * 2));  // by the guess
  // At step 30 the evaluation of that step is still to come.
  CHECK(*left.seconds(30, 0, 0) == Approx(70 * 2 + 4 * 4 * 2));
  left.chore_begins(Chore::kEvaluation, 30);
  CHECK(*left.seconds(30, 0, 0) == Approx(70 * 2 + 4 * 8));
  // A quarter after 5 seconds: it takes 20, and the others will too.
  CHECK(*left.seconds(30, 5, 0.25) == Approx(70 * 2 + 3 * 20 + 15));
  left.chore_took(22);
  CHECK(*left.seconds(30, 0, 0) == Approx(70 * 2 + 3 * 22));
  left.chore_begins(Chore::kCheckpoint, 40);
  left.chore_took(1);
  CHECK(*left.seconds(40, 0, 0) == Approx(60 * 2 + 3 * 22 + 3 * 1));
  left.chore_begins(Chore::kEvaluation, 100);
  CHECK(*left.seconds(100, 11, 0.5) == Approx(11 + 1));  // and the checkpoint at 100
  left.chore_ends();                                     // unfinished
  CHECK(*left.seconds(100, 0, 0) == Approx(1));
}

TEST_CASE("the time left shrinks while a step goes on, and is known in the first one") {
  const RunPlan steps_alone{.steps = 10};
  TimeLeft left(steps_alone);
  CHECK_FALSE(left.seconds(0, 3, 0).has_value());
  CHECK(*left.seconds(0, 3, 0.1) == Approx(300 - 3));
  left.step_took(30);
  CHECK(*left.seconds(1, 0, 0) == Approx(9 * 30));
  CHECK(*left.seconds(1, 10, 0) == Approx(9 * 30 - 10));
  CHECK(*left.seconds(1, 40, 0) == Approx(8 * 30));  // it cannot take less than nothing
  CHECK(*left.seconds(1, 40, 0.5) == Approx(8.5 * 30));
  CHECK(*left.seconds(10, 0, 0) == 0);
}

TEST_CASE("what an earlier process has done is not to come") {
  TimeLeft left(plan(), 60);
  left.step_took(1);
  CHECK(*left.seconds(61, 0, 0) == Approx(39 + 2 * 4));
  TimeLeft at_once(plan(), 60);
  at_once.chore_begins(Chore::kEvaluation, 60);  // made up for before the first step
  CHECK_FALSE(at_once.seconds(60, 1, 0.5).has_value());
}
