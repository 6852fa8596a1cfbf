// Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as
// 1, 2, 3", SC 2011). A draw is a pure function of its coordinates, so nothing is stored, any part
// can be replayed, and the split of a batch changes nothing.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

namespace lacuna {

using PhiloxCounter = std::array<uint32_t, 4>;
using PhiloxKey = std::array<uint32_t, 2>;

/// Four independent, uniform 32-bit words for one (counter, key).
constexpr PhiloxCounter philox4x32(PhiloxCounter c, PhiloxKey k) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53u} * c[0];
    const uint64_t b = uint64_t{0xCD9E8D57u} * c[2];
    c = {static_cast<uint32_t>(b >> 32) ^ c[1] ^ k[0], static_cast<uint32_t>(b),
         static_cast<uint32_t>(a >> 32) ^ c[3] ^ k[1], static_cast<uint32_t>(a)};
    k[0] += 0x9E3779B9u;
    k[1] += 0xBB67AE85u;
  }
  return c;
}

/// A bijective 64-bit mix (the finaliser of SplitMix64, Steele et al. 2014).
constexpr uint64_t mix64(uint64_t x) {
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

/// What draws at different places of the program must never share.
enum class RandomUse : uint32_t {
  kDropout = 1,
  kInit = 2,
  kOrder = 3,
  kSample = 4,
  kData = 5,
  kEvaluation = 6,
  kAugmentation = 7,
  kRounding = 8
};

/// The key of all draws for one purpose at one step of a run.
constexpr PhiloxKey random_key(uint64_t seed, RandomUse use, uint64_t step) {
  const uint64_t mixed = mix64(seed ^ mix64((uint64_t{static_cast<uint32_t>(use)} << 56) ^ step));
  return {static_cast<uint32_t>(mixed), static_cast<uint32_t>(mixed >> 32)};
}

/// The four words number `block` of global sample `sample` at place `site`.
constexpr PhiloxCounter random_words(PhiloxKey key, uint64_t sample, uint32_t site,
                                     uint32_t block) {
  return philox4x32(
      {block, site, static_cast<uint32_t>(sample), static_cast<uint32_t>(sample >> 32)}, key);
}

/// A double in [0, 1) from two words (53 bits).
inline double uniform_double(uint32_t high, uint32_t low) {
  return static_cast<double>((uint64_t{high} << 21) ^ (low >> 11)) * 0x1p-53;
}

/// Two independent standard normal values from four words (Box and Muller 1958).
inline std::array<double, 2> normal_pair(const PhiloxCounter& words) {
  const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform_double(words[0], words[1])));
  const double angle = 6.283185307179586476925 * uniform_double(words[2], words[3]);
  return {radius * std::cos(angle), radius * std::sin(angle)};
}

}  // namespace lacuna
