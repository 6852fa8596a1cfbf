// How rows that are normalised are laid on the GPU: choices that both norms share
// (device/norm_rows.cuh says what they mean).
#pragma once

#include <algorithm>
#include <type_traits>

#include "device/norm_rows.cuh"
#include "dispatch.h"
#include "partial_sums.h"

namespace lacuna::cuda {

/// Rows that a group of warps works on, one after the other. With few the next block starts where
/// one has ended, which evens out what a fixed share for each multiprocessor would not. Backward
/// each block leaves sums per column, which more rows pay for, above all where they are short.
inline constexpr int64_t kForwardRows = 4, kBackwardRows = 8, kBackwardShortRows = 16;

/// So that a row a few steps beyond the last still is a 32-bit number.
inline constexpr int64_t kMostNormRows = int64_t{1} << 29;

struct NormLaunch {
  int rows, width, warps, threads, shared;

  int groups() const { return threads / (32 * warps); }
  /// For `rows_of_group` rows a group, but at most `most`: blocks walk over the rows in any case.
  int64_t blocks(int64_t rows_of_group, int64_t most) const {
    return std::min(most, divide_up(int64_t{rows}, groups() * rows_of_group));
  }
};

/// For `kernel`, whose threads are laid out by Place and have `queue_bytes` of rows under way each;
/// sums_columns: it leaves sums per column.
template <class Place, class Kernel>
NormLaunch norm_launch(Kernel kernel, int64_t rows, int64_t width, int queue_bytes,
                       bool sums_columns, const char* op) {
  int warps = 1;
  while (32 * warps * Place::kElements < width) warps *= 2;
  require(32 * warps <= kMostNormThreads, op, "rows on the GPU have at most 8192 elements");
  require(rows < kMostNormRows, op, "more rows than 32-bit numbers count");
  const int threads = std::max(32 * warps, kNormThreads);
  const int sums = sums_columns ? kNormThreads * kNormElements * int{sizeof(float)} : 0;
  const int shared = std::max(threads * queue_bytes, sums);
  check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, shared),
        "cudaFuncSetAttribute");
  return {static_cast<int>(rows), static_cast<int>(width), warps, threads, shared};
}

/// Calls body(std::type_identity<NormPlace<..>>) with what suits rows of `width` elements of T.
template <class T, class Body>
void with_norm_place(int64_t width, std::initializer_list<const void*> pointers, const Body& body) {
  with_pack_width<kVector<T>>(width, pointers, [&](auto pack) {
    constexpr int kPack = decltype(pack)::value, kPacks = kNormElements / kPack;
    if constexpr (kPack > 1) {
      if (width <= 32 * kNormElements / 2) {
        return body(std::type_identity<NormPlace<kPack, kPacks / 2, true>>{});
      }
      if (width <= 32 * kNormElements) {
        return body(std::type_identity<NormPlace<kPack, kPacks, true>>{});
      }
    }
    body(std::type_identity<NormPlace<kPack, kPacks, false>>{});
  });
}

}  // namespace lacuna::cuda
