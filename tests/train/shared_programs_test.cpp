// Programs that share memory: the bits of each are those that it gives alone, and nothing reads
// what another has overwritten.
#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <numeric>
#include <vector>

#include "../catch.h"
#include "../compare.h"
#include "../expect_error.h"
#include "../nn/tiny_model.h"
#include "../random_tensor.h"
#include "lacuna/kernels/elementwise.h"
#include "lacuna/train/decode_program.h"
#include "lacuna/train/program.h"
#include "lacuna/train/sampler.h"

using namespace lacuna;
using namespace lacuna::train;

namespace {

constexpr int64_t kSequences = 2, kPositions = 13;

nn::ModelConfig small() {
  nn::ModelConfig config{.layers = 3, .heads = 2, .width = 12, .context = kPositions};
  config.vocabulary = 11;
  config.attention = {"strided(4)", "fixed(4, 2)"};
  return config;
}

using Block = std::shared_ptr<SharedBlock>;

// Everything that a run does with one model, in a block each or in one.
struct Programs {
  TinyModel tiny{small(), kSequences, DType::kF64, 5};
  Queue queue = Queue::cpu(1);
  Program training, evaluation;
  DecodeProgram decoding;

  explicit Programs(const Block& block = {})
      : training(Program::training(queue, *tiny.model, kSequences, 0.01, &tiny.state, {}, block)),
        evaluation(Program::evaluation(queue, *tiny.model, kSequences, block)),
        decoding(queue, *tiny.model, kSequences, block) {}

  void fill(int32_t* tokens) const {
    std::copy_n(tiny.tokens.view().data<int32_t>(), kSequences * kPositions, tokens);
  }
  std::vector<double> train() {
    launch(queue, Zero{.y = tiny.parameters->gradients()});
    fill(training.tokens());
    training.run(*tiny.model);
    const double* losses = training.losses();
    std::vector<double> results(losses, losses + kSequences * kPositions);
    const std::vector<double> gradients = elements<double>(tiny.parameters->gradients());
    results.insert(results.end(), gradients.begin(), gradients.end());
    return results;
  }
  std::vector<double> evaluate() {
    fill(evaluation.tokens());
    evaluation.run(*tiny.model);
    return elements<double>(evaluation.logits());
  }
  std::vector<double> decode() {
    std::vector<double> results;
    for (int64_t t = 0; t < kPositions; ++t) {
      for (int64_t b = 0; b < kSequences; ++b) {
        decoding.tokens()[b] = t == 0 ? 0 : tiny.token(b * kPositions + t - 1);
      }
      decoding.run(t);
      const std::vector<double> row = elements<double>(decoding.logits());
      results.insert(results.end(), row.begin(), row.end());
    }
    return results;
  }
};

}  // namespace

TEST_CASE("Programs in one block give the bits that they give alone, in any order") {
  const Block block = std::make_shared<SharedBlock>(Queue::cpu(1));
  Programs alone, together(block);
  const std::vector<std::vector<double>> want{alone.train(), alone.evaluate(), alone.decode()};
  CHECK(!block->taken());
  for (const int program : {2, 0, 1, 0, 2, 1, 2, 2, 1, 1, 0, 0, 1, 2, 0}) {
    CAPTURE(program);
    const std::vector<double> got = program == 0   ? together.train()
                                    : program == 1 ? together.evaluate()
                                                   : together.decode();
    CHECK(same_bits(got, want[static_cast<size_t>(program)]));
  }
  CHECK(block->bytes() ==
        std::max({together.training.block_bytes(), together.evaluation.block_bytes(),
                  together.decoding.block_bytes()}));
  // A plan is the same in any block.
  CHECK(together.decoding.memory().bytes == alone.decoding.memory().bytes);
}

TEST_CASE("Results that another program has overwritten are refused") {
  Programs programs(std::make_shared<SharedBlock>(Queue::cpu(1)));
  const auto refuse = [&](const char* place, const std::function<void()>& work) {
    expect_error(ErrorKind::kInternal, place, work);
  };
  refuse("Planned::to_host", [&] { programs.evaluation.losses(); });  // nothing has run
  programs.evaluate();
  programs.train();
  refuse("Planned::to_host", [&] { programs.evaluation.losses(); });
  refuse("Planned::to_host", [&] { programs.evaluation.logits(); });
  programs.decoding.run(0);
  programs.decoding.run(1);
  refuse("Planned::to_host", [&] { programs.training.losses(); });
  programs.evaluate();
  refuse("Planned::to_host", [&] { programs.decoding.logits(); });
  refuse("DecodeProgram::run", [&] { programs.decoding.run(2); });
  refuse("DecodeProgram::clear_cache", [&] { programs.decoding.clear_cache(); });
  programs.decoding.run(0);  // new sequences
  programs.decoding.run(1);
}

TEST_CASE("What has been read stays, whatever runs next") {
  Programs programs(std::make_shared<SharedBlock>(Queue::cpu(1)));
  programs.evaluate();
  const double* losses = programs.evaluation.losses();
  const View logits = programs.evaluation.logits();
  const std::vector<double> before(losses, losses + kSequences * kPositions);
  const std::vector<double> logits_before = elements<double>(logits);
  programs.train();
  programs.decode();
  CHECK(same_bits(std::vector<double>(losses, losses + kSequences * kPositions), before));
  CHECK(same_bits(elements<double>(logits), logits_before));
}

TEST_CASE("A cache that is cleared is zero at every position") {
  Programs first, second;
  first.decode();
  second.decoding.run(0);
  for (Programs* programs : {&first, &second}) {
    programs->decoding.clear_cache();
    for (int64_t b = 0; b < kSequences; ++b) programs->decoding.tokens()[b] = 3;
    programs->decoding.run(kPositions - 1);
  }
  const std::vector<double> logits = elements<double>(first.decoding.logits());
  CHECK(same_bits(elements<double>(second.decoding.logits()), logits));
  CHECK(std::isfinite(std::accumulate(logits.begin(), logits.end(), 0.0)));
}

TEST_CASE("A sampler draws the same samples again, between other programs of its block") {
  for (const bool cached : {true, false}) {
    CAPTURE(cached);
    const SampleConfig config{.length = 30, .count = 3, .batch = 2, .seed = 4, .cached = cached};
    const Block block = std::make_shared<SharedBlock>(Queue::cpu(1));
    Programs programs(block);
    Sampler sampler(programs.queue, *programs.tiny.model, config, block);
    const auto drawn = [&](const auto& draw) {
      std::vector<int32_t> symbols;
      draw(SampleListener{[&](int64_t, int32_t symbol) { symbols.push_back(symbol); },
                          [] { return false; }});
      return symbols;
    };
    const std::vector<int32_t> want = drawn([&](const SampleListener& listener) {
      sample(programs.queue, *programs.tiny.model, {1, 2}, config, listener);
    });
    CHECK(want.size() == 90);
    for (int round = 0; round < 3; ++round) {
      CHECK(drawn([&](const SampleListener& listener) { sampler.draw({1, 2}, listener); }) == want);
      programs.train();
      programs.evaluate();
    }
    CHECK(block->bytes() >= sampler.block_bytes());
  }
}
