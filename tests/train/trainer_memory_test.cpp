// What a trainer holds, and that what it does in one block of memory does not disturb itself.
#include "../catch.h"
#include "../expect_error.h"
#include "lacuna/train/decode_program.h"
#include "tiny_trainer.h"

using namespace lacuna;
using namespace lacuna::train;

TEST_CASE("a trainer holds what the largest of its programs needs, not all of them together") {
  Options options = tiny_options();
  options.train.sample_every = "2 steps";
  const Trainer trainer(options, text());
  const Queue& queue = trainer.queue();
  StepState state;
  const MemoryUse step = Program::training(queue, trainer.model(), 4, 1, &state).memory(),
                  evaluation = Program::evaluation(queue, trainer.model(), 4).memory(),
                  sample = DecodeProgram(queue, trainer.model(), 1).memory();
  const std::vector<Need> needs = trainer.needs();
  REQUIRE(needs.size() == 3);
  CHECK(needs[0].memory.bytes == step.bytes);
  CHECK(needs[1].memory.bytes == evaluation.bytes);
  CHECK(needs[2].memory.bytes == sample.bytes);

  const size_t tokens = 4 * 16 * sizeof(int32_t);
  for (const MemoryUse& use : {step, evaluation}) CHECK(use[MemoryTag::kInputs] == tokens);
  const MemoryUse held = trainer.memory();
  CHECK(held[MemoryTag::kInputs] == 2 * tokens + sizeof(int32_t));
  for (const MemoryTag tag : {MemoryTag::kActivations, MemoryTag::kActivationGradients,
                              MemoryTag::kWorkspace, MemoryTag::kCache}) {
    CHECK(held[tag] == step[tag]);
  }
  const auto of_weights = [&](Weights which) {
    return trainer.weights(which).values().bytes();  // f64: nothing is rounded
  };
  CHECK(held[MemoryTag::kParameters] == of_weights(Weights::kRaw));
  CHECK(held.total() - held[MemoryTag::kOptimizer] ==
        2 * of_weights(Weights::kRaw) + of_weights(Weights::kAverage) + needs[0].block +
            held[MemoryTag::kInputs]);
}

TEST_CASE("a trainer plans samples where there are some, and refuses them where there are none") {
  Trainer trainer(tiny_options(), text());
  CHECK(trainer.needs().size() == 2);
  expect_error(ErrorKind::kInternal, "Trainer::sampler", [&] { trainer.sampler(); });
}

TEST_CASE("evaluations and samples change no step, and steps change none of them, bit for bit") {
  for (const double average : {0.0, 0.9}) {
    Options options = tiny_options();
    options.optim.average = average;
    Trainer plain(options, text());
    options.train.sample_every = "1 steps";
    options.train.sample_length = 40;  // more than a context
    Trainer mixed(options, text());
    const Weights best = average > 0 ? Weights::kAverage : Weights::kRaw;
    const ValidationSet& set = text().valid().front();
    const auto drawn = [&](const auto& draw) {
      std::vector<int32_t> symbols;
      draw(SampleListener{[&](int64_t, int32_t symbol) { symbols.push_back(symbol); }, never});
      return symbols;
    };
    const auto evaluate_and_draw = [&] {
      // Twins of the trainer's programs, in memory of their own.
      Program own = Program::evaluation(mixed.queue(), mixed.model(), 4);
      const Evaluation want = train::evaluate(
          own, mixed.model(best), {.part = *set.part, .medium = text().medium()}, never);
      CHECK(mixed.evaluate(set, best, 0, never).nats == want.nats);
      const std::vector<int32_t> symbols =
          drawn([&](const SampleListener& to) { mixed.sampler().draw({}, to); });
      CHECK(symbols.size() == 40);
      CHECK(symbols == drawn([&](const SampleListener& to) {
              sample(mixed.queue(), mixed.model(best), {}, mixed.sampler().config(), to);
            }));
      CHECK(mixed.evaluate(set, best, 0, never).nats == want.nats);
    };
    evaluate_and_draw();
    for (int step = 1; step <= 6; ++step) {
      const StepResult a = plain.step(), b = mixed.step();
      CHECK(a.bits == b.bits);
      CHECK(a.gradient_norm == b.gradient_norm);
      if (step % 2 == 0) evaluate_and_draw();
    }
    for (const Weights which : {Weights::kRaw, best}) {
      CHECK(same_bits(plain.weights(which).values(), mixed.weights(which).values()));
    }
  }
}
