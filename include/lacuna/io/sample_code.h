// Samples of sound as symbols of 256: 8-bit mu-law, or linear 16 bits as two bytes. Both are exact
// tables or whole numbers, so every machine gives the same.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace lacuna {

/// Silence, in both codes' first byte.
inline constexpr uint8_t kSilence = 128;

/// 8-bit mu-law with mu = 255, the companding of G.711 and WaveNet:
///   y = sign(x) ln(1 + 255 |x|) / ln(256),
/// so that -1 .. 1 becomes -1 .. 1. Level k stands for y = (k - 128) / 128 up to 128 and for
/// y = (k - 128) / 127 above: 0 is -1, 128 is exactly 0 and 255 is 1. Louder is never lower.
/// A sample has the level whose y is nearest; on the border between two (a float: the middle in y,
/// rounded), the upper one. Beyond -1 and 1 lie the ends; NaN is the lowest level.
uint8_t mu_law_level(float sample);
/// The sample that a level stands for; mu_law_level() gives it back.
float mu_law_sample(uint8_t level);

/// Linear 16 bits: the sample times 2^15, rounded to the nearest whole number (halves up) from
/// -2^15 to 2^15 - 1, plus 2^15, so that the order is that of the samples and silence is 2^15. What
/// a 16-bit file held comes back exactly. NaN is the lowest.
uint16_t code_of_16_bits(float sample);
float sample_of_16_bits(uint16_t code);

/// One byte a sample.
std::vector<uint8_t> encode_mu_law(std::span<const float> samples);
std::vector<float> decode_mu_law(std::span<const uint8_t> levels);

/// Two bytes a sample, the more significant first, which alone is the sample in linear 8 bits.
std::vector<uint8_t> encode_16_bits(std::span<const float> samples);
/// A last byte without its partner is left out.
std::vector<float> decode_16_bits(std::span<const uint8_t> bytes);

}  // namespace lacuna
