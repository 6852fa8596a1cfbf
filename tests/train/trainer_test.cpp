#include "lacuna/train/trainer.h"

#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "../../src/train/manifest.h"
#include "../catch.h"
#include "../expect_error.h"
#include "../temp_folder.h"
#include "tiny_trainer.h"

using namespace lacuna;
using namespace lacuna::train;

namespace {

std::vector<double> values_of(const Trainer& trainer, Weights which) {
  const View& values = trainer.weights(which).values();
  const double* begin = values.data<double>();
  return {begin, begin + values.count()};
}

double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
  REQUIRE(a.size() == b.size());
  double largest = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double difference = std::abs(a[i] - b[i]);
    if (!(difference <= largest)) largest = difference;  // also a NaN
  }
  return largest;
}

double* head_of(const Trainer& trainer) {
  return trainer.weights(Weights::kRaw).at("head.weight").value.data<double>();
}

}  // namespace

TEST_CASE("before any update every byte costs exactly 8 bits, because the head is zero") {
  Trainer trainer(tiny_options(), text());
  CHECK(trainer.evaluate(text().valid().front(), Weights::kRaw, 0, never).bits ==
        Approx(8).epsilon(0).margin(1e-12));
  CHECK(trainer.step().bits == Approx(std::log(256.0) / std::log(2.0)).epsilon(0).margin(1e-12));
}

TEST_CASE("ten steps lower the bits of the training text and of the validation text") {
  Trainer trainer(tiny_options(), text());
  CHECK(trainer.steps_total() == 20);
  CHECK(trainer.step_size().tokens == 64);
  CHECK(trainer.step_size().samples == 4);
  StepResult result;
  double last = 8;
  for (int64_t step = 1; step <= 10; ++step) {
    result = trainer.step();
    CHECK(result.step == step);
    CHECK(!result.skipped);
    CHECK(result.gradient_norm > 0);
    if (step % 5 == 0) {
      CHECK(result.bits < last - 0.2);
      last = result.bits;
    }
  }
  CHECK(trainer.steps_done() == 10);
  CHECK(trainer.steps_skipped() == 0);
  const Evaluation valid = trainer.evaluate(text().valid().front(), Weights::kRaw, 0, never);
  CHECK(valid.bits < 7.5);
  CHECK(valid.positions == 77);
}

TEST_CASE("a finished step has noted that it is done") {
  Trainer trainer(tiny_options(), text());
  CHECK(trainer.progress().part == StepPart::kNone);
  trainer.step();
  trainer.step();
  CHECK(trainer.progress().part == StepPart::kDone);
  CHECK(trainer.progress().step == 2);
}

TEST_CASE("what the weights will need is known before they have memory") {
  for (const auto& [average, moments] :
       {std::pair{0.0, "f32"}, std::pair{0.9, "f32"}, std::pair{0.9, "bf16"}}) {
    Options options = tiny_options();
    options.optim.average = average;
    options.optim.moments = moments;
    const Trainer trainer(options, text());
    const MemoryUse use = weights_memory(options, trainer.model().config(), trainer.queue());
    for (const MemoryTag tag : {MemoryTag::kParameters, MemoryTag::kGradients,
                                MemoryTag::kOptimizer, MemoryTag::kAverages}) {
      const auto held = static_cast<double>(trainer.memory()[tag]);
      CHECK(static_cast<double>(use[tag]) == Approx(held).epsilon(0.1));  // it pads and has flags
    }
  }
}

TEST_CASE("the learning rate of a step is that of the schedule, counted from 1") {
  Trainer trainer(tiny_options(), text());
  const double peak = 0.01;
  CHECK(trainer.step().learning_rate == Approx(peak / 5).epsilon(1e-14));
  CHECK(trainer.step().learning_rate == Approx(peak * 2 / 5).epsilon(1e-14));
  for (int step = 3; step < 5; ++step) trainer.step();
  CHECK(trainer.step().learning_rate == Approx(peak).epsilon(1e-14));
  const double pi = std::acos(-1.0);
  CHECK(trainer.step().learning_rate == Approx(peak * (1 + std::cos(pi / 15)) / 2).epsilon(1e-14));
}

TEST_CASE("one seed gives the same bits twice, with dropout and accumulation; another does not") {
  for (const char* precision : {"f64", "f32"}) {
    Options options = tiny_options();
    options.train.precision = precision;
    options.train.batch = 2;
    options.train.accumulation = 2;
    options.train.threads = 2;
    Trainer first(options, text()), second(options, text());
    options.train.seed = 2;
    Trainer other(options, text());
    for (int step = 0; step < 10; ++step) {
      const StepResult a = first.step(), b = second.step();
      CHECK(a.bits == b.bits);
      CHECK(a.gradient_norm == b.gradient_norm);
      other.step();
    }
    for (const Weights which : {Weights::kRaw, Weights::kAverage}) {
      const View& values = first.weights(which).values();
      CHECK(same_bits(values, second.weights(which).values()));
      CHECK(!same_bits(values, other.weights(which).values()));
    }
  }
}

TEST_CASE("two micro-batches of two sequences make the step that one of four makes") {
  Options options = tiny_options();
  Trainer whole(options, text());
  options.train.batch = 2;
  options.train.accumulation = 2;
  Trainer halves(options, text());
  for (int step = 0; step < 5; ++step) {
    const StepResult a = whole.step(), b = halves.step();
    CHECK(b.bits == Approx(a.bits).epsilon(0).margin(1e-12));
    CHECK(b.gradient_norm == Approx(a.gradient_norm).epsilon(1e-12));
  }
  CHECK(largest_difference(values_of(whole, Weights::kRaw), values_of(halves, Weights::kRaw)) <
        1e-12);
  CHECK(whole.step_size().samples_per_epoch == halves.step_size().samples_per_epoch);
}

TEST_CASE("dropout changes a step's loss, and each step drops other elements") {
  // One window only, so every step and every sequence of it reads the same symbols.
  const MemoryData window(256, counting_text(16, 0), {});
  Options options = tiny_options();
  options.optim.learning_rate = 0;
  options.train.batch = 1;
  const auto bits = [&](double dropout) {
    options.model.dropout = dropout;
    Trainer trainer(options, window);
    for (int64_t i = 0; i < 256 * 16; ++i) head_of(trainer)[i] = std::sin(static_cast<double>(i));
    return std::array<double, 2>{trainer.step().bits, trainer.step().bits};
  };
  const auto with = bits(0.2), without = bits(0);
  CHECK(without[0] == without[1]);
  CHECK(std::abs(with[0] - with[1]) > 1e-3);
  CHECK(std::abs(with[0] - without[0]) > 1e-3);
}

TEST_CASE("a step that is not finite changes no weight, no average and no clock") {
  Trainer trainer(tiny_options(), text());
  const double first_rate = 0.01 / 5;
  double& poisoned = head_of(trainer)[5 * 16 + 3];
  const double healthy = poisoned;
  poisoned = std::numeric_limits<double>::infinity();
  const auto raw = values_of(trainer, Weights::kRaw),
             average = values_of(trainer, Weights::kAverage);
  for (int64_t step = 1; step <= 2; ++step) {
    const StepResult result = trainer.step();
    CHECK(result.step == step);
    CHECK(result.skipped);
  }
  CHECK((values_of(trainer, Weights::kRaw) == raw));
  CHECK((values_of(trainer, Weights::kAverage) == average));
  CHECK(trainer.steps_done() == 2);
  CHECK(trainer.steps_skipped() == 2);

  poisoned = healthy;
  const std::vector<double> before = values_of(trainer, Weights::kRaw);
  const StepResult good = trainer.step();
  CHECK(good.step == 3);
  CHECK(!good.skipped);
  CHECK(std::isfinite(good.bits));
  CHECK(good.learning_rate == Approx(first_rate).epsilon(1e-14));
  CHECK(trainer.steps_skipped() == 2);
  // The optimizer's first update moves a weight without decay by the learning rate, less only where
  // the gradient is near eps; its second would move it by 0.74 of that, and a moment that had seen
  // the poison would be NaN.
  double largest = 0;
  for (int64_t i = 0; i < 256 * 16; ++i) largest = std::max(largest, std::abs(head_of(trainer)[i]));
  CHECK(largest > 0.999 * first_rate);
  CHECK(largest <= first_rate * (1 + 1e-12));
  CHECK(std::isfinite(largest_difference(before, values_of(trainer, Weights::kRaw))));
}

TEST_CASE("a step begun before the host hears that the last one was skipped is the same step") {
  const auto second_step = [](Trainer& trainer, bool overlapped) {
    double& poisoned = head_of(trainer)[5 * 16 + 3];
    trainer.step();
    const double healthy = poisoned;
    poisoned = std::numeric_limits<double>::infinity();
    trainer.begin_step();
    poisoned = healthy;
    if (overlapped) trainer.begin_step();
    CHECK(trainer.finish_step().skipped);
    if (!overlapped) trainer.begin_step();
    return trainer.finish_step();
  };
  Trainer waiting(tiny_options(), text()), ahead(tiny_options(), text());
  const StepResult a = second_step(waiting, false), b = second_step(ahead, true);
  CHECK(!b.skipped);
  CHECK(a.bits == b.bits);
  CHECK(a.learning_rate == b.learning_rate);
  for (const Weights which : {Weights::kRaw, Weights::kAverage}) {
    CHECK(same_bits(waiting.weights(which).values(), ahead.weights(which).values()));
  }
  // Also the moments: another step moves both alike.
  waiting.step();
  ahead.step();
  CHECK(same_bits(waiting.weights(Weights::kRaw).values(), ahead.weights(Weights::kRaw).values()));
}

TEST_CASE("a checkpoint whose manifest tells another state than its files is refused") {
  const TempFolder folder;
  Trainer first(tiny_options(), text());
  first.step();
  first.step();
  Snapshot snapshot;
  first.copy_to(&snapshot);
  snapshot.config = to_toml(tiny_options());
  const CheckpointFolder checkpoints(folder / "checkpoints");
  checkpoints.write(snapshot, {});
  const std::string place = checkpoints.at(2);
  const CheckpointFacts good = *read_facts(place);
  CHECK(good.place.index == 2 * first.step_size().samples);
  CHECK(good.place.tokens == 2 * first.step_size().tokens);
  Trainer second(tiny_options(), text());
  const auto rewritten = [&](const auto& change) {
    CheckpointFacts facts = good;
    change(facts);
    write_manifest(place, facts.required, facts, {});
    verify_checkpoint(place);
    second.restore(place);
  };
  CHECK_NOTHROW(rewritten([](CheckpointFacts&) {}));
  expect_error(ErrorKind::kData, "its moments are bf16, this run's are f64",
               [&] { rewritten([](CheckpointFacts& f) { f.moments = DType::kBF16; }); });
  expect_error(ErrorKind::kData, "another number of weights",
               [&] { rewritten([](CheckpointFacts& f) { f.ranges.back().end += 16; }); });
  for (int64_t DataPlace::*number : {&DataPlace::stage, &DataPlace::index, &DataPlace::tokens}) {
    expect_error(ErrorKind::kData, "its place in the data",
                 [&] { rewritten([=](CheckpointFacts& f) { f.place.*number += 1; }); });
  }
}

TEST_CASE("the average starts at the initial weights and forgets them quickly at first") {
  Trainer trainer(tiny_options(), text());
  CHECK(trainer.has_average());
  const std::vector<double> start = values_of(trainer, Weights::kRaw);
  CHECK((values_of(trainer, Weights::kAverage) == start));
  std::vector<double> expected = start;
  for (int update = 1; update <= 4; ++update) {
    trainer.step();
    const double keep = std::min(0.999, (1.0 + update) / (10.0 + update));
    const std::vector<double> raw = values_of(trainer, Weights::kRaw);
    for (size_t i = 0; i < raw.size(); ++i) expected[i] = keep * expected[i] + (1 - keep) * raw[i];
    CHECK(largest_difference(values_of(trainer, Weights::kAverage), expected) < 1e-14);
  }
  CHECK(trainer.evaluate(text().valid().front(), Weights::kAverage, 0, never).bits !=
        trainer.evaluate(text().valid().front(), Weights::kRaw, 0, never).bits);
}

TEST_CASE("clipping scales the gradient, so the first step of AdamW hardly notices it") {
  Options options = tiny_options();
  options.optim.clip = 1e-3;
  Trainer clipped(options, text());
  options.optim.clip = 0;
  Trainer free(options, text());
  const StepResult a = clipped.step(), b = free.step();
  CHECK(a.gradient_norm == b.gradient_norm);  // reported before clipping
  CHECK(a.gradient_norm > 1e-3);
  const double first =
      largest_difference(values_of(clipped, Weights::kRaw), values_of(free, Weights::kRaw));
  CHECK(first > 0);       // eps is felt by clipped gradients
  CHECK(first <= 0.002);  // at most the whole first step
}

TEST_CASE("a run without average has none") {
  Options options = tiny_options();
  options.optim.average = 0;
  CHECK(!Trainer(options, text()).has_average());
}

TEST_CASE("what cannot be trained is refused when the trainer is made") {
  const auto refuse = [](ErrorKind kind, const std::string& fragment, const auto& change) {
    Options options = tiny_options();
    change(options);
    expect_error(kind, fragment, [&] { Trainer(options, text()); });
  };
  refuse(ErrorKind::kData, "one sample needs 1,501 symbols",
         [](Options& o) { o.model.context = 1501; });
  refuse(ErrorKind::kConfig, "model.width", [](Options& o) { o.model.width = 15; });
  refuse(ErrorKind::kConfig, "model.qk_width", [](Options& o) { o.model.qk_width = 15; });
  refuse(ErrorKind::kConfig, "fixd", [](Options& o) { o.model.attention = {"fixd(4, 1)"}; });
  refuse(ErrorKind::kConfig, "merge", [](Options& o) {
    o.model.attention = {"fixed(4, 1)", "column(4) + summary(4, 1)"};
  });
  refuse(ErrorKind::kConfig, "optim.name", [](Options& o) { o.optim.name = "adamv"; });
  refuse(ErrorKind::kConfig, "train.length", [](Options& o) { o.train.length = "ten steps"; });
  refuse(ErrorKind::kConfig, "optim.warmup", [](Options& o) { o.optim.warmup = "5"; });
  refuse(ErrorKind::kConfig, "model.position_tables", [](Options& o) {
    o.model.position_tables = {3, 5};
  });
  refuse(ErrorKind::kConfig, "model.position_tables", [](Options& o) {
    o.model.position_tables = {int64_t{1} << 62, 4};  // their product leaves 64 bits
  });
}
