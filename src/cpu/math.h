// Elementary functions in loops: f64 by the C library, f32 by a polynomial that the compiler can
// vectorise.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace lacuna::cpu {

inline double exponential(double x) {
  return std::exp(x);
}

// exp(x) = 2^n * exp(r), r = x - n ln 2 in [-ln 2 / 2, ln 2 / 2], exp(r) by its Taylor polynomial
// of degree 7 (error below 1 ulp of f32). Below -87 the result is 0, above 88 it stays finite.
inline float exponential(float x) {
  constexpr float kLog2E = 1.44269504F;
  constexpr float kLn2High = 0.693359375F, kLn2Low = -2.12194440e-4F;
  constexpr float kRound = 12582912.0F;  // 1.5 * 2^23: adding it rounds to a whole number
  const float clamped = x > 88.0F ? 88.0F : (x < -88.0F ? -88.0F : x);
  const float n = (clamped * kLog2E + kRound) - kRound;
  const float r = (clamped - n * kLn2High) - n * kLn2Low;
  float p = 1.0F / 5040;
  p = p * r + 1.0F / 720;
  p = p * r + 1.0F / 120;
  p = p * r + 1.0F / 24;
  p = p * r + 1.0F / 6;
  p = p * r + 0.5F;
  p = p * r + 1.0F;
  p = p * r + 1.0F;
  const float power = std::bit_cast<float>((static_cast<int32_t>(n) + 127) << 23);
  return x < -87.0F ? 0.0F : p * power;
}

template <class T>
T sigmoid(T x) {
  return T(1) / (T(1) + exponential(-x));
}

inline constexpr double kQuickGeluSlope = 1.702;

template <class T>
T quick_gelu(T z) {
  return z * sigmoid(T(kQuickGeluSlope) * z);
}

// d/dz z s(az) = s(az) (1 + a z (1 - s(az))).
template <class T>
T quick_gelu_slope(T z) {
  const T s = sigmoid(T(kQuickGeluSlope) * z);
  return s * (T(1) + T(kQuickGeluSlope) * z * (T(1) - s));
}

}  // namespace lacuna::cpu
