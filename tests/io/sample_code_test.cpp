#include "lacuna/io/sample_code.h"

#include <cmath>
#include <limits>

#include "../catch.h"

using namespace lacuna;

namespace {

double companded(double sample) {
  return std::copysign(std::log1p(255 * std::min(std::abs(sample), 1.0)) / std::log(256.0), sample);
}

double companded_level(int level) {
  return (level - 128) / (level > 128 ? 127.0 : 128.0);
}

}  // namespace

TEST_CASE("every mu-law level is given back by its sample", "[sample_code]") {
  for (int level = 0; level < 256; ++level) {
    CAPTURE(level);
    const float sample = mu_law_sample(static_cast<uint8_t>(level));
    CHECK(mu_law_level(sample) == level);
    CHECK(companded(static_cast<double>(sample)) == Approx(companded_level(level)).margin(1e-6));
    if (level > 0) CHECK(sample > mu_law_sample(static_cast<uint8_t>(level - 1)));
  }
}

TEST_CASE("mu-law has full scale and silence exactly", "[sample_code]") {
  CHECK(mu_law_sample(0) == -1.0F);
  CHECK(mu_law_sample(kSilence) == 0.0F);
  CHECK_FALSE(std::signbit(mu_law_sample(kSilence)));
  CHECK(mu_law_sample(255) == 1.0F);
  CHECK(mu_law_level(-1) == 0);
  CHECK(mu_law_level(0.0F) == kSilence);
  CHECK(mu_law_level(-0.0F) == kSilence);
  CHECK(mu_law_level(1) == 255);
  const float infinity = std::numeric_limits<float>::infinity();
  CHECK(mu_law_level(7) == 255);
  CHECK(mu_law_level(infinity) == 255);
  CHECK(mu_law_level(-7) == 0);
  CHECK(mu_law_level(-infinity) == 0);
  CHECK(mu_law_level(std::nanf("")) == 0);
}

TEST_CASE("mu-law takes the level that is nearest by the formula, and louder is never lower",
          "[sample_code]") {
  constexpr int kSteps = 1'000'000;
  int before = 0, further = 0;
  for (int i = -kSteps; i <= kSteps; ++i) {
    const float sample = static_cast<float>(i) / kSteps;
    const int level = mu_law_level(sample);
    further += level < before;
    before = level;
    const double value = companded(static_cast<double>(sample));
    const double own = std::abs(value - companded_level(level));
    for (const int other : {level - 1, level + 1}) {
      further +=
          other >= 0 && other <= 255 && std::abs(value - companded_level(other)) < own - 1e-6;
    }
  }
  CHECK(further == 0);
}

TEST_CASE("mu-law levels are the same numbers on every machine", "[sample_code]") {
  CHECK(mu_law_sample(1) == -0x1.ea353p-1F);
  CHECK(mu_law_sample(64) == -0x1.e1e1e2p-5F);  // 15 / 255
  CHECK(mu_law_sample(127) == -0x1.6c1cf6p-13F);
  CHECK(mu_law_sample(129) == 0x1.6f0b1p-13F);
  // The neighbours of a border: 256^(1/256) - 1 over 255, below silence.
  const float border = -static_cast<float>((0x1.059b0d3158574p+0 - 1) / 255);
  CHECK(mu_law_level(border) == 128);
  CHECK(mu_law_level(std::nextafter(border, -1.0F)) == 127);
}

TEST_CASE("16 bits give back what a 16-bit file holds", "[sample_code]") {
  int wrong = 0;
  for (int code = 0; code < 65'536; ++code) {
    const float sample = sample_of_16_bits(static_cast<uint16_t>(code));
    wrong +=
        code_of_16_bits(sample) != code || sample != static_cast<float>(code - 32'768) / 32'768;
  }
  CHECK(wrong == 0);
}

TEST_CASE("16 bits are rounded, and end at full scale", "[sample_code]") {
  const float one = 0x1p-15F;
  CHECK(code_of_16_bits(0) == 32'768);
  CHECK(code_of_16_bits(-0.0F) == 32'768);
  CHECK(code_of_16_bits(0.5F * one) == 32'769);
  CHECK(code_of_16_bits(0.49F * one) == 32'768);
  CHECK(code_of_16_bits(-0.5F * one) == 32'768);
  CHECK(code_of_16_bits(-0.51F * one) == 32'767);
  CHECK(code_of_16_bits(1) == 65'535);
  CHECK(code_of_16_bits(1 - 1.5F * one) == 65'535);
  CHECK(code_of_16_bits(1 - 1.51F * one) == 65'534);
  CHECK(code_of_16_bits(-1) == 0);
  CHECK(code_of_16_bits(-1 + 0.5F * one) == 1);
  CHECK(code_of_16_bits(1e30F) == 65'535);
  CHECK(code_of_16_bits(-std::numeric_limits<float>::infinity()) == 0);
  CHECK(code_of_16_bits(std::nanf("")) == 0);
}

TEST_CASE("lists of samples become bytes in order, the more significant first", "[sample_code]") {
  const std::vector<float> samples{-1, 0, 0.5F, 0x1p-15F};
  CHECK(encode_mu_law(samples) == std::vector<uint8_t>{0, 128, 239, 128});
  CHECK(decode_mu_law(std::vector<uint8_t>{0, 128, 255}) == std::vector<float>{-1, 0, 1});
  const std::vector<uint8_t> bytes{0, 0, 128, 0, 192, 0, 128, 1};
  CHECK(encode_16_bits(samples) == bytes);
  CHECK(decode_16_bits(bytes) == samples);
  CHECK(decode_16_bits(std::vector<uint8_t>{0, 0, 128}) == std::vector<float>{-1});
}
