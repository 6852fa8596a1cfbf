// A sum of products whose bits depend on the two rows alone: not on where they are in memory, nor
// on what the compiler makes of the loop around it.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

namespace lacuna::cpu {

/// Sum of a[i] * b[i]: product i is added to partial sum i mod kLanes, in order, by fused
/// multiply-adds; then the partial sums by halves.
template <class T>
T dot(const T* a, const T* b, int64_t count) {
  constexpr int64_t kLanes = 256 / int64_t{sizeof(T)};  // four of the widest registers
  std::array<T, kLanes> sums{};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
#pragma omp simd
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      sums[size_t(lane)] = std::fma(a[i + lane], b[i + lane], sums[size_t(lane)]);
    }
  }
  for (int64_t lane = 0; i + lane < count; ++lane) {
    sums[size_t(lane)] = std::fma(a[i + lane], b[i + lane], sums[size_t(lane)]);
  }
  for (int64_t half = kLanes / 2; half > 0; half /= 2) {
#pragma omp simd
    for (int64_t lane = 0; lane < half; ++lane) sums[size_t(lane)] += sums[size_t(lane + half)];
  }
  return sums[0];
}

}  // namespace lacuna::cpu
