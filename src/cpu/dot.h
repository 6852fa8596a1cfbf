// Sums of products whose bits depend on the two rows alone: not on where they are in memory, nor on
// which others are computed beside them, nor on what the compiler makes of the loop.
#pragma once

#include <cmath>
#include <cstdint>

namespace lacuna::cpu {

/// sums[0] becomes the sum of all 2 * kHalf elements, added by halves.
template <int64_t kHalf, class T>
void fold(T* sums) {
  if constexpr (kHalf > 0) {
#pragma omp simd
    for (int64_t lane = 0; lane < kHalf; ++lane) sums[lane] += sums[lane + kHalf];
    fold<kHalf / 2>(sums);
  }
}

/// out[r * out_stride] = sum of a[r * stride + i] * b[i] for kRows rows, so that b is read once for
/// them. Product i is added to partial sum i mod kLanes, in order, by fused multiply-adds (named,
/// so that the compiler has no choice); then the partial sums are folded.
template <int kRows, class T>
void dots(const T* a, int64_t stride, const T* b, int64_t count, T* out, int64_t out_stride) {
  constexpr int64_t kLanes = 64 / int64_t{sizeof(T)};  // one of the widest registers
  T sums[kRows][kLanes]{};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (int row = 0; row < kRows; ++row) {
      const T* from = a + row * stride + i;
#pragma omp simd
      for (int64_t lane = 0; lane < kLanes; ++lane) {
        sums[row][lane] = std::fma(from[lane], b[i + lane], sums[row][lane]);
      }
    }
  }
  for (int row = 0; row < kRows; ++row) {
    const T* from = a + row * stride + i;
    for (int64_t lane = 0; i + lane < count; ++lane) {
      sums[row][lane] = std::fma(from[lane], b[i + lane], sums[row][lane]);
    }
    fold<kLanes / 2>(sums[row]);
    out[row * out_stride] = sums[row][0];
  }
}

template <class T>
T dot(const T* a, const T* b, int64_t count) {
  T sum;
  dots<1>(a, 0, b, count, &sum, 0);
  return sum;
}

}  // namespace lacuna::cpu
