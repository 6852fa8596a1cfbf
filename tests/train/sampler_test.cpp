#include "lacuna/train/sampler.h"

#include <cmath>
#include <limits>

#include "../catch.h"
#include "hand_model.h"

using namespace lacuna;
using namespace lacuna::train;

namespace {

constexpr double kNothing = -std::numeric_limits<double>::infinity();
constexpr double kLargestUniform = 1 - 0x1p-53;

std::vector<int32_t> sampled(HandModel& tiny, const std::vector<int32_t>& prompt,
                             const SampleConfig& config) {
  Program program = Program::evaluation(tiny.queue, tiny.model, 1, false);
  std::vector<int32_t> symbols;
  sample(program, tiny.model, prompt, config, [&](int32_t symbol) {
    symbols.push_back(symbol);
    return true;
  });
  return symbols;
}

}  // namespace

TEST_CASE("draw() takes each symbol as often as the softmax says") {
  const std::vector<double> logits{1.5, -0.5, 700, kNothing, 699.25, -700};
  for (const double temperature : {0.5, 1.0, 3.0}) {
    // A grid of uniforms hits an interval of length p in count * p points, give or take one.
    constexpr int kCount = 20'000;
    std::vector<int> hits(logits.size());
    for (int i = 0; i < kCount; ++i) {
      ++hits[static_cast<size_t>(draw(logits, temperature, (i + 0.5) / kCount))];
    }
    long double sum = 0;
    for (const double logit : logits) sum += std::exp((logit - 700.0L) / temperature);
    for (size_t j = 0; j < logits.size(); ++j) {
      const long double share = std::exp((logits[j] - 700.0L) / temperature) / sum;
      INFO("symbol " << j << " at temperature " << temperature);
      CHECK(std::abs(static_cast<double>(hits[j] - kCount * share)) <= 1);
    }
  }
}

TEST_CASE("draw() walks through the symbols in order as the uniform number grows") {
  const std::vector<double> even{0, 0, 0, 0};
  CHECK(draw(even, 1, 0) == 0);
  CHECK(draw(even, 1, 0.2499) == 0);
  CHECK(draw(even, 1, 0.25) == 1);  // each symbol has the lower end of its interval
  CHECK(draw(even, 1, 0.2501) == 1);
  CHECK(draw(even, 1, 0.7499) == 2);
  CHECK(draw(even, 1, kLargestUniform) == 3);
}

TEST_CASE("at temperature 0 the likeliest symbol is drawn, whatever the uniform number") {
  for (const double uniform : {0.0, 0.5, kLargestUniform}) {
    CHECK(draw({-3, 2, 1.999, kNothing}, 0, uniform) == 1);
    CHECK(draw({5}, 0, uniform) == 0);
    CHECK(draw({-1e300, -1e301}, 0, uniform) == 0);
  }
}

TEST_CASE("a symbol without any probability is never drawn") {
  for (const double uniform : {0.0, 1e-300, 0.3, 0.7, 0.9999999, kLargestUniform}) {
    CHECK(draw({kNothing, 0, kNothing}, 1, uniform) == 1);
    CHECK(draw({-800, 0, -800}, 0.5, uniform) == 1);  // exp(-1600) is 0
    const int32_t symbol = draw({kNothing, 0.1, kNothing, 0.2, kNothing}, 2, uniform);
    CHECK((symbol == 1 || symbol == 3));
  }
}

TEST_CASE("the largest uniform number draws the last symbol that has any probability") {
  // Weights rarely sum up to exactly what their subtraction one by one takes away.
  for (size_t count = 1; count < 300; ++count) {
    std::vector<double> logits(count);
    for (size_t j = 0; j < count; ++j) logits[j] = std::sin(static_cast<double>(j));
    logits.resize(count + 2, kNothing);
    for (const double temperature : {0.3, 1.0}) {
      CHECK(draw(logits, temperature, kLargestUniform) == static_cast<int32_t>(count) - 1);
    }
  }
}

TEST_CASE("at temperature 0 every symbol is the likeliest after the ones before it") {
  HandModel tiny;
  const std::vector<int32_t> prompt{3, 1};
  const std::vector<int32_t> drawn =
      sampled(tiny, prompt, {.length = HandModel::kContext - 2, .temperature = 0});
  std::vector<int32_t> text = prompt;
  text.insert(text.end(), drawn.begin(), drawn.end());
  REQUIRE(text.size() == HandModel::kContext);

  Program program = Program::evaluation(tiny.queue, tiny.model, 1, false);
  std::copy(text.begin(), text.end(), program.tokens());
  program.run(tiny.model);
  const double* logits = program.logits().data<double>();
  for (size_t t = prompt.size(); t < text.size(); ++t) {
    const double* row = logits + t * HandModel::kVocabulary;
    INFO("position " << t);
    CHECK(std::max_element(row, row + HandModel::kVocabulary) - row == text[t]);
  }
}

TEST_CASE("symbol n of a sample is drawn with a number of the seed and n alone") {
  HandModel tiny;
  tiny.fix_logits({0.3, -0.2, 0.9, 0, 0.1});
  const auto symbols = sampled(tiny, {}, {.length = 40, .temperature = 1, .seed = 9});
  CHECK(symbols.size() == 40);
  const std::vector<int32_t> long_prompt(3 * HandModel::kContext, 2);
  CHECK(sampled(tiny, long_prompt, {.length = 40, .temperature = 1, .seed = 9}) == symbols);
  CHECK(sampled(tiny, {1}, {.length = 7, .temperature = 1, .seed = 9}) ==
        std::vector<int32_t>(symbols.begin(), symbols.begin() + 7));
  CHECK(sampled(tiny, {}, {.length = 40, .temperature = 1, .seed = 10}) != symbols);
}

TEST_CASE("a prompt that fills the context is continued from its newer half") {
  HandModel tiny;
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    const SampleConfig config{.length = 2, .temperature = 1, .seed = seed};
    const auto from_half = sampled(tiny, {4, 0, 3}, config);
    CHECK(sampled(tiny, {1, 1, 2, 4, 0, 3}, config) == from_half);
    CHECK(sampled(tiny, {0, 2, 2, 1, 1, 2, 4, 0, 3}, config) == from_half);
  }
}

TEST_CASE("a sample ends when its reader has had enough") {
  HandModel tiny;
  Program program = Program::evaluation(tiny.queue, tiny.model, 1, false);
  int count = 0;
  sample(program, tiny.model, {}, {.length = 100}, [&](int32_t) { return ++count < 3; });
  CHECK(count == 3);
}
