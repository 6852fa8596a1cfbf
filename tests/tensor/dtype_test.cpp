#include "lacuna/tensor/dtype.h"

#include <limits>
#include <string>

#include "../catch.h"
#include "../random_tensor.h"

using namespace lacuna;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// A 16-bit format: exponent and fraction bits, and how lacuna converts it.
struct Format {
  std::string name;
  int exponent_bits, fraction_bits;
  float (*widen)(uint16_t);
  uint16_t (*narrow)(float);

  int bias() const { return (1 << (exponent_bits - 1)) - 1; }
  uint16_t infinity() const {
    return static_cast<uint16_t>(((1 << exponent_bits) - 1) << fraction_bits);
  }

  /// What a pattern means: (-1)^s 2^(e - bias) (1 + m/2^f), or 2^(1 - bias) m/2^f where e = 0.
  double meaning(uint16_t bits) const {
    const int exponent = (bits & 0x7FFF) >> fraction_bits;
    const int fraction = bits & ((1 << fraction_bits) - 1);
    const double sign = (bits & 0x8000) != 0 ? -1 : 1;
    if (exponent == (1 << exponent_bits) - 1) {
      return fraction != 0 ? std::numeric_limits<double>::quiet_NaN()
                           : sign * std::numeric_limits<double>::infinity();
    }
    const int whole = exponent == 0 ? fraction : fraction + (1 << fraction_bits);
    return sign * std::ldexp(whole, std::max(exponent, 1) - bias() - fraction_bits);
  }

  /// The nearest value of the format, ties to the even fraction: in double, by its definition.
  double nearest(float value) const {
    if (std::isinf(value)) return value;
    const double size = std::fabs(double{value});
    const int exponent = size == 0 ? 0 : std::max(std::ilogb(size), 1 - bias());
    const double unit = std::ldexp(1, exponent - fraction_bits);
    const double rounded = std::nearbyint(size / unit) * unit;
    const double limit = std::ldexp(1, bias() + 1);
    return std::copysign(rounded >= limit ? double{kInfinity} : rounded, value);
  }
};

const Format kFormats[] = {
    {"bf16", 8, 7, [](uint16_t bits) { return to_f32(BFloat16{bits}); },
     [](float value) { return to_bf16(value).bits; }},
    {"f16", 5, 10, [](uint16_t bits) { return to_f32(Float16{bits}); },
     [](float value) { return to_f16(value).bits; }},
};

bool same_value(double a, double b) {
  return a == b ? std::signbit(a) == std::signbit(b) : std::isnan(a) && std::isnan(b);
}

}  // namespace

TEST_CASE("Every 16-bit pattern widens to what its fields mean") {
  for (const Format& format : kFormats) {
    CAPTURE(format.name);
    int wrong = 0;
    for (int bits = 0; bits < 65536; ++bits) {
      const auto pattern = static_cast<uint16_t>(bits);
      if (!same_value(format.widen(pattern), format.meaning(pattern))) ++wrong;
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("Every 16-bit pattern survives the way to f32 and back") {
  for (const Format& format : kFormats) {
    CAPTURE(format.name);
    int wrong = 0;
    for (int bits = 0; bits < 65536; ++bits) {
      const auto pattern = static_cast<uint16_t>(bits);
      const uint16_t back = format.narrow(format.widen(pattern));
      // A NaN may lose its payload, but neither its sign nor its being one.
      const bool nan = (pattern & 0x7FFF) > format.infinity();
      const bool kept = (back & 0x7FFF) > format.infinity() && ((back ^ pattern) & 0x8000) == 0;
      if (nan ? !kept : back != pattern) ++wrong;
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("Halfway between two neighbours narrows to the even one, beside it to the nearer one") {
  for (const Format& format : kFormats) {
    CAPTURE(format.name);
    int wrong = 0;
    // The last step is the one from the largest finite value to infinity.
    for (uint16_t low = 0; low < format.infinity(); ++low) {
      const auto high = static_cast<uint16_t>(low + 1);
      const double top =
          high == format.infinity() ? std::ldexp(1, format.bias() + 1) : format.meaning(high);
      const auto middle = static_cast<float>((format.meaning(low) + top) / 2);
      for (const int sign : {0, 0x8000}) {
        const float at = sign != 0 ? -middle : middle;
        const auto expect = [&](float value, uint16_t wanted) {
          if (format.narrow(value) != (wanted | sign)) ++wrong;
        };
        expect(at, low % 2 == 0 ? low : high);
        expect(std::nextafter(at, 0.0F), low);
        expect(std::nextafter(at, sign != 0 ? -kInfinity : kInfinity), high);
      }
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("Any f32 narrows to the nearest value, also subnormals, overflow and NaN") {
  Random random(11);
  for (const Format& format : kFormats) {
    CAPTURE(format.name);
    int wrong = 0;
    const auto check = [&](float value) {
      const double got = format.meaning(format.narrow(value));
      if (!same_value(got, std::isnan(value) ? value : format.nearest(value))) ++wrong;
    };
    for (int i = 0; i < 300000; ++i)
      check(std::bit_cast<float>(static_cast<uint32_t>(random.bits())));
    // Around the subnormals and the end of f16's range, where random bits rarely fall.
    for (int i = 0; i < 100000; ++i) {
      check(static_cast<float>(std::ldexp(random.uniform(-1, 1), -14 - i % 14)));
      check(static_cast<float>(random.uniform(60000, 70000)));
    }
    for (const float value :
         {0.0F, -0.0F, kInfinity, -kInfinity, 65504.0F, 65519.996F, 65520.0F, 0x1p-24F, 0x1p-25F,
          -0x1.000002p-25F, 0x1p-149F, 3.4028235e38F, std::numeric_limits<float>::quiet_NaN()}) {
      check(value);
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("Types know their sizes and names") {
  CHECK(size_of(DType::kF64) == 8);
  CHECK(size_of(DType::kF32) == 4);
  CHECK(size_of(DType::kBF16) == 2);
  CHECK(size_of(DType::kF16) == 2);
  CHECK(size_of(DType::kI32) == 4);
  CHECK(size_of(DType::kU8) == 1);
  CHECK(std::string(name_of(DType::kBF16)) == "bf16");
  CHECK(std::string(name_of(DType::kF64)) == "f64");
}
