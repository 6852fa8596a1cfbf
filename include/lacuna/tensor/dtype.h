// Element types. bf16 and f16 are bit patterns on the CPU: stored and converted, never computed in.
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace lacuna {

enum class DType : uint8_t { kF64, kF32, kBF16, kF16, kI32, kU8 };

size_t size_of(DType dtype);
/// "f64", "f32", "bf16", "f16", "i32", "u8".
const char* name_of(DType dtype);

/// What sums, statistics and logits of values of this type are kept in: f32 for bf16 and f16.
constexpr DType wide(DType dtype) {
  return dtype == DType::kBF16 || dtype == DType::kF16 ? DType::kF32 : dtype;
}

struct BFloat16 {
  uint16_t bits;
};
struct Float16 {
  uint16_t bits;
};

/// Conversions round to nearest even and keep NaN and infinity; f16 overflows to infinity.
BFloat16 to_bf16(float value);
Float16 to_f16(float value);
float to_f32(BFloat16 value);
float to_f32(Float16 value);

template <class T>
struct DTypeOf;
template <>
struct DTypeOf<double> {
  static constexpr DType value = DType::kF64;
};
template <>
struct DTypeOf<float> {
  static constexpr DType value = DType::kF32;
};
template <>
struct DTypeOf<BFloat16> {
  static constexpr DType value = DType::kBF16;
};
template <>
struct DTypeOf<Float16> {
  static constexpr DType value = DType::kF16;
};
template <>
struct DTypeOf<int32_t> {
  static constexpr DType value = DType::kI32;
};
template <>
struct DTypeOf<uint8_t> {
  static constexpr DType value = DType::kU8;
};

}  // namespace lacuna
