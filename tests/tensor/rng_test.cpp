#include "lacuna/base/rng.h"

#include <set>
#include <vector>

#include "../catch.h"

using namespace lacuna;

TEST_CASE("Philox gives the known answers of its authors") {  // kat_vectors of Random123
  CHECK(philox4x32({0, 0, 0, 0}, {0, 0}) ==
        PhiloxCounter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}) ==
        PhiloxCounter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        PhiloxCounter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("Uniform numbers fill [0, 1) evenly and use all 53 bits") {
  CHECK(uniform_double(0, 0) == 0);
  CHECK(uniform_double(0xffffffff, 0xffffffff) == 1 - 0x1p-53);
  CHECK(uniform_double(0x80000000, 0) == 0.5);
  CHECK(uniform_double(0, 0x800) == 0x1p-53);
  constexpr int kDraws = 200000, kBins = 100;
  std::vector<int> bins(kBins);
  const PhiloxKey key = random_key(7, RandomUse::kSample, 3);
  for (uint32_t i = 0; i < kDraws / 2; ++i) {
    const PhiloxCounter words = random_words(key, 5, 1, i);
    for (const double u :
         {uniform_double(words[0], words[1]), uniform_double(words[2], words[3])}) {
      ++bins[static_cast<size_t>(u * kBins)];
    }
  }
  // Chi-squared of 99 degrees of freedom: mean 99, deviation 14; six deviations.
  double chi = 0;
  const double expected = double(kDraws) / kBins;
  for (const int count : bins) chi += (count - expected) * (count - expected) / expected;
  CHECK(chi < 99 + 6 * 14.1);
  CHECK(chi > 99 - 5 * 14.1);
}

TEST_CASE(
    "Normal numbers have the moments of the normal distribution, and pairs do not correlate") {
  constexpr int kPairs = 200000;
  const PhiloxKey key = random_key(7, RandomUse::kInit, 0);
  double sums[5] = {}, product = 0;
  int beyond = 0;
  for (uint32_t i = 0; i < kPairs; ++i) {
    const auto pair = normal_pair(random_words(key, 0, 0, i));
    product += pair[0] * pair[1];
    for (const double x : pair) {
      double power = 1;
      for (double& sum : sums) sum += power, power *= x;
      if (std::fabs(x) > 1.959964) ++beyond;
    }
  }
  // Five standard errors: the k-th moment has variance (E x^2k - (E x^k)^2) / n.
  const double n = sums[0], error = 5 / std::sqrt(n);
  CHECK(std::fabs(sums[1] / n) < error);
  CHECK(std::fabs(sums[2] / n - 1) < error * std::sqrt(2));
  CHECK(std::fabs(sums[3] / n) < error * std::sqrt(15));
  CHECK(std::fabs(sums[4] / n - 3) < error * std::sqrt(96));
  CHECK(std::fabs(product / kPairs) < 5 / std::sqrt(double(kPairs)));
  CHECK(std::fabs(beyond / n - 0.05) < error * std::sqrt(0.05 * 0.95));
}

TEST_CASE("No two purposes, steps or seeds share a key, and no two places share words") {
  std::set<PhiloxKey> keys;
  size_t made = 0;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    for (const RandomUse use :
         {RandomUse::kDropout, RandomUse::kInit, RandomUse::kOrder, RandomUse::kSample}) {
      for (uint64_t step = 0; step < 50; ++step, ++made) keys.insert(random_key(seed, use, step));
    }
  }
  CHECK(keys.size() == made);
  std::set<PhiloxCounter> words;
  made = 0;
  const PhiloxKey key = random_key(1, RandomUse::kDropout, 1);
  for (const uint64_t sample : {uint64_t{0}, uint64_t{1}, uint64_t{1} << 32, uint64_t{1} << 40}) {
    for (uint32_t site = 0; site < 10; ++site) {
      for (uint32_t block = 0; block < 50; ++block, ++made) {
        words.insert(random_words(key, sample, site, block));
      }
    }
  }
  CHECK(words.size() == made);
}
