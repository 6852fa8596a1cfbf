// How rows that are normalised are laid on the GPU: choices that both norms share
// (device/norm_rows.cuh says what they mean).
#pragma once

#include <algorithm>

#include "device/norm_rows.cuh"
#include "dispatch.h"
#include "partial_sums.h"

namespace lacuna::cuda {

struct NormLaunch {
  int64_t rows;
  int width, warps, threads, shared;

  int groups() const { return threads / (32 * warps); }
  /// As many as run at once, and no more than there are rows.
  int64_t blocks(int64_t resident) const {
    return std::min(resident, divide_up(rows, int64_t{groups()}));
  }
};

/// For `kernel`, whose threads hold `elements` elements of a row and have `queue_bytes` of rows
/// under way each; sums_columns: it leaves sums per column.
template <class Kernel>
NormLaunch norm_launch(Kernel kernel, int64_t rows, int64_t width, int elements, int queue_bytes,
                       bool sums_columns, const char* op) {
  int warps = 1;
  while (32 * warps * elements < width) warps *= 2;
  require(32 * warps <= kMostNormThreads, op, "rows on the GPU have at most 8192 elements");
  const int threads = std::max(32 * warps, kNormThreads);
  const int sums = sums_columns ? kNormThreads * kNormElements * int{sizeof(float)} : 0;
  const int shared = std::max(threads * queue_bytes, sums);
  check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, shared),
        "cudaFuncSetAttribute");
  return {rows, static_cast<int>(width), warps, threads, shared};
}

/// Calls body(Constant<kPack>, Constant<kPacks>) with what suits rows of `width` elements of T.
template <class T, class Body>
void with_norm_packs(int64_t width, std::initializer_list<const void*> pointers, const Body& body) {
  with_pack_width<kVector<T>>(width, pointers, [&](auto pack) {
    constexpr int kPack = decltype(pack)::value;
    if constexpr (kPack > 1) {
      if (width <= 32 * kNormElements / 2) return body(pack, Constant<kNormElements / 2 / kPack>{});
    }
    body(pack, Constant<kNormElements / kPack>{});
  });
}

}  // namespace lacuna::cuda
