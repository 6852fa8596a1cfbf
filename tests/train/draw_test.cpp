#include "lacuna/train/draw.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "../catch.h"

using namespace lacuna::train;

namespace {

constexpr double kNothing = -std::numeric_limits<double>::infinity();
constexpr double kLargestUniform = 1 - 0x1p-53;

/// Probabilities by the definitions, one step after the other, in long double: softmax at the
/// temperature; all but the k likeliest set to zero; the rest scaled to 1; then symbols taken from
/// the likeliest on until they reach p; the rest scaled to 1 again.
std::vector<long double> naive(const std::vector<double>& logits, const DrawRule& rule) {
  const double top = *std::max_element(logits.begin(), logits.end());
  std::vector<long double> shares;
  for (const double logit : logits) {
    shares.push_back(std::exp((static_cast<long double>(logit) - top) / rule.temperature));
  }
  const auto scale = [&] {
    long double sum = 0;
    for (const long double share : shares) sum += share;
    for (long double& share : shares) share /= sum;
  };
  const auto rank = [&](size_t j) {  // how many are likelier
    size_t likelier = 0;
    for (size_t i = 0; i < shares.size(); ++i) {
      if (shares[i] > shares[j] || (shares[i] == shares[j] && i < j)) ++likelier;
    }
    return likelier;
  };
  scale();
  if (rule.top_k > 0) {
    std::vector<size_t> ranks;
    for (size_t j = 0; j < shares.size(); ++j) ranks.push_back(rank(j));
    for (size_t j = 0; j < shares.size(); ++j) {
      if (ranks[j] >= static_cast<size_t>(rule.top_k)) shares[j] = 0;
    }
    scale();
  }
  if (rule.top_p < 1) {
    std::vector<long double> likelier(shares.size());  // the share of all that are likelier
    for (size_t j = 0; j < shares.size(); ++j) {
      for (size_t i = 0; i < shares.size(); ++i) {
        if (rank(i) < rank(j)) likelier[j] += shares[i];
      }
    }
    for (size_t j = 0; j < shares.size(); ++j) {
      if (likelier[j] >= static_cast<long double>(rule.top_p)) shares[j] = 0;
    }
    scale();
  }
  return shares;
}

std::vector<double> random_logits(uint64_t seed, size_t count) {
  std::mt19937_64 engine(seed);
  std::vector<double> logits;
  for (size_t j = 0; j < count; ++j) {
    logits.push_back(static_cast<double>(engine() >> 11) * 0x1p-53 * 8 - 4);
  }
  return logits;
}

}  // namespace

TEST_CASE("draw() takes each symbol as often as the softmax says") {
  const std::vector<double> logits{1.5, -0.5, 700, kNothing, 699.25, -700};
  for (const double temperature : {0.5, 1.0, 3.0}) {
    // A grid of uniforms hits an interval of length p in count * p points, give or take one.
    constexpr int kCount = 20'000;
    std::vector<int> hits(logits.size());
    for (int i = 0; i < kCount; ++i) {
      ++hits[static_cast<size_t>(draw(logits, {.temperature = temperature}, (i + 0.5) / kCount))];
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
  CHECK(draw(even, {}, 0) == 0);
  CHECK(draw(even, {}, 0.2499) == 0);
  CHECK(draw(even, {}, 0.25) == 1);  // each symbol has the lower end of its interval
  CHECK(draw(even, {}, 0.2501) == 1);
  CHECK(draw(even, {}, 0.7499) == 2);
  CHECK(draw(even, {}, kLargestUniform) == 3);
}

TEST_CASE("at temperature 0 the likeliest symbol is drawn, whatever the uniform number") {
  for (const double uniform : {0.0, 0.5, kLargestUniform}) {
    CHECK(draw({-3, 2, 1.999, kNothing}, {.temperature = 0}, uniform) == 1);
    CHECK(draw({5}, {.temperature = 0}, uniform) == 0);
    CHECK(draw({-1e300, -1e301}, {.temperature = 0}, uniform) == 0);
  }
}

TEST_CASE("a symbol without any probability is never drawn") {
  for (const double uniform : {0.0, 1e-300, 0.3, 0.7, 0.9999999, kLargestUniform}) {
    CHECK(draw({kNothing, 0, kNothing}, {}, uniform) == 1);
    CHECK(draw({-800, 0, -800}, {.temperature = 0.5}, uniform) == 1);  // exp(-1600) is 0
    const int32_t symbol =
        draw({kNothing, 0.1, kNothing, 0.2, kNothing}, {.temperature = 2}, uniform);
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
      CHECK(draw(logits, {.temperature = temperature}, kLargestUniform) ==
            static_cast<int32_t>(count) - 1);
    }
  }
}

TEST_CASE("temperature, top-k and top-p give the shares of their definitions, in this order") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const std::vector<double> logits = random_logits(seed, 1 + seed * 3);
    for (const double temperature : {0.3, 1.0, 2.5}) {
      for (const int64_t top_k : {0, 1, 2, 5, 1000}) {
        for (const double top_p : {1e-9, 0.1, 0.5, 0.9, 0.999, 1.0}) {
          const DrawRule rule{temperature, top_k, top_p};
          CAPTURE(seed, temperature, top_k, top_p);
          const std::vector<long double> wanted = naive(logits, rule);
          std::vector<double> weights = relative_probabilities(logits, rule);
          double sum = 0;
          for (const double weight : weights) sum += weight;
          for (size_t j = 0; j < logits.size(); ++j) {
            CHECK(std::abs(weights[j] / sum - static_cast<double>(wanted[j])) < 1e-12);
            CHECK((weights[j] == 0) == (wanted[j] == 0));
          }
        }
      }
    }
  }
}

TEST_CASE("top-k and top-p draw each symbol as often as its share says") {
  const std::vector<double> logits = random_logits(99, 12);
  for (const DrawRule& rule : {DrawRule{1.5, 4, 1}, DrawRule{1, 0, 0.6}, DrawRule{2, 6, 0.7}}) {
    const std::vector<long double> wanted = naive(logits, rule);
    std::mt19937_64 engine(5);
    constexpr int kCount = 40'000;
    std::vector<int> hits(logits.size());
    for (int i = 0; i < kCount; ++i) {
      const double uniform = static_cast<double>(engine() >> 11) * 0x1p-53;
      ++hits[static_cast<size_t>(draw(logits, rule, uniform))];
    }
    for (size_t j = 0; j < logits.size(); ++j) {
      CAPTURE(rule.temperature, rule.top_k, rule.top_p, j);
      const auto share = static_cast<double>(wanted[j]);
      // Five standard deviations of a binomial count.
      CHECK(std::abs(hits[j] - kCount * share) <= 5 * std::sqrt(kCount * share * (1 - share)));
    }
  }
}

TEST_CASE("top-k counts what the temperature left, and top-p what top-k left") {
  // Shares 0.4, 0.3, 0.2, 0.1 at temperature 1.
  const std::vector<double> logits{std::log(0.1), std::log(0.4), std::log(0.2), std::log(0.3)};
  const auto drawable = [&](const DrawRule& rule) {
    std::vector<size_t> symbols;
    const std::vector<double> weights = relative_probabilities(logits, rule);
    for (size_t j = 0; j < weights.size(); ++j) {
      if (weights[j] > 0) symbols.push_back(j);
    }
    return symbols;
  };
  using Symbols = std::vector<size_t>;
  CHECK(drawable({1, 3, 1}) == Symbols{1, 2, 3});
  CHECK(drawable({1, 0, 0.69}) == Symbols{1, 3});
  CHECK(drawable({1, 0, 0.71}) == Symbols{1, 2, 3});
  CHECK(drawable({1, 2, 0.57}) == Symbols{1});  // of the two, the first has 4/7
  CHECK(drawable({1, 2, 0.58}) == Symbols{1, 3});
  CHECK(drawable({0.25, 0, 0.69}) == Symbols{1});  // colder: the first has 0.72
  CHECK(drawable({1, 0, 1e-300}) == Symbols{1});
  CHECK(drawable({0, 3, 0.5}) == Symbols{1});
  CHECK(relative_probabilities({2, 2, 2}, {1, 2, 1}) == std::vector<double>{1, 1, 0});
}
