#include "lacuna/io/sample_code.h"

#include <cmath>

namespace lacuna {
namespace {

constexpr int kMu = 255;
constexpr int kBelow = kSilence, kAbove = 255 - kSilence;  // levels on either side of silence
constexpr float kFullScale = 32768;                        // 2^15

struct Levels {
  std::array<float, 256> samples;  // of each level
  std::array<float, 255> borders;  // border k: the least sample above level k
};

/// (256^|y| - 1) / 255 for y = halves / 2 of `steps`. Powers are products of a root, and those are
/// of IEEE doubles when the compiler makes them: no machine's pow() or fused product takes part.
constexpr float expanded(double root, int halves, int steps) {
  double power = 1;
  for (int i = 0; i < halves; ++i) power *= root;
  return halves == 2 * steps ? 1.0F : static_cast<float>((power - 1) / kMu);
}

constexpr Levels make_levels() {
  constexpr double kRootBelow = 0x1.059b0d3158574p+0;  // 256^(1/256) = 2^(1/32)
  constexpr double kRootAbove = 0x1.05a679963474cp+0;  // 256^(1/254)
  Levels levels{};
  for (int k = 0; k < 256; ++k) {
    const int from_silence = k - kSilence;
    levels.samples[static_cast<size_t>(k)] = from_silence < 0
                                                 ? -expanded(kRootBelow, -2 * from_silence, kBelow)
                                                 : expanded(kRootAbove, 2 * from_silence, kAbove);
    if (k == 255) break;
    levels.borders[static_cast<size_t>(k)] =
        from_silence < 0 ? -expanded(kRootBelow, -2 * from_silence - 1, kBelow)
                         : expanded(kRootAbove, 2 * from_silence + 1, kAbove);
  }
  return levels;
}

constexpr Levels kLevels = make_levels();

template <class Out, class In, class Code>
std::vector<Out> each(std::span<const In> from, Code code) {
  std::vector<Out> to;
  to.reserve(from.size());
  for (const In value : from) to.push_back(code(value));
  return to;
}

}  // namespace

uint8_t mu_law_level(float sample) {
  // How many borders are not above the sample: eight halvings without a branch.
  const float* border = kLevels.borders.data();
  unsigned level = 0;
  for (unsigned step = 128; step > 0; step /= 2) {
    level += sample >= border[level + step - 1] ? step : 0;
  }
  return static_cast<uint8_t>(level);
}

float mu_law_sample(uint8_t level) {
  return kLevels.samples[level];
}

uint16_t code_of_16_bits(float sample) {
  const float scaled = sample * kFullScale;  // exact, but for denormal ones
  if (!(scaled > -kFullScale)) return 0;
  if (scaled >= kFullScale - 1) return 65535;
  return static_cast<uint16_t>(std::floor(static_cast<double>(scaled) + 0.5) + kFullScale);
}

float sample_of_16_bits(uint16_t code) {
  return (static_cast<float>(code) - kFullScale) / kFullScale;
}

std::vector<uint8_t> encode_mu_law(std::span<const float> samples) {
  return each<uint8_t>(samples, mu_law_level);
}

std::vector<float> decode_mu_law(std::span<const uint8_t> levels) {
  return each<float>(levels, mu_law_sample);
}

std::vector<uint8_t> encode_16_bits(std::span<const float> samples) {
  std::vector<uint8_t> bytes;
  bytes.reserve(2 * samples.size());
  for (const float sample : samples) {
    const uint16_t code = code_of_16_bits(sample);
    bytes.push_back(static_cast<uint8_t>(code >> 8));
    bytes.push_back(static_cast<uint8_t>(code & 255));
  }
  return bytes;
}

std::vector<float> decode_16_bits(std::span<const uint8_t> bytes) {
  std::vector<float> samples;
  samples.reserve(bytes.size() / 2);
  for (size_t i = 0; i + 1 < bytes.size(); i += 2) {
    samples.push_back(sample_of_16_bits(static_cast<uint16_t>(bytes[i] << 8 | bytes[i + 1])));
  }
  return samples;
}

}  // namespace lacuna
