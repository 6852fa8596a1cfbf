// How rows that are normalised are laid on the GPU: choices that both norms share
// (device/row_layout.cuh says what they mean).
#pragma once

#include <algorithm>
#include <type_traits>

#include "device/row_layout.cuh"
#include "dispatch.h"
#include "partial_sums.h"

namespace lacuna::cuda {

/// Rows that a group works on, one after the other, forward. With few the next block starts where
/// one has ended, which evens out what a fixed share for each multiprocessor would not; a plain
/// norm has so few bytes a row that it needs two under way.
inline constexpr int kNormRows = 2, kSeamRows = 1;

/// So that a row a few steps beyond the last still is a 32-bit number.
inline constexpr int64_t kMostNormRows = int64_t{1} << 28;

struct NormLaunch {
  int rows, width, lanes, threads, shared;

  int groups() const { return threads / lanes; }
  /// For `rows_of_group` rows a group.
  int64_t blocks(int64_t rows_of_group) const {
    return divide_up(int64_t{rows}, groups() * rows_of_group);
  }
  /// Where each block leaves two sums per column: those that run at the same time, each with its
  /// share of the rows, or as many as the workspace for the sums holds.
  template <class Kernel>
  int64_t summing_blocks(const GpuStream& stream, Kernel kernel) const {
    return std::min({most_partial_rows(2 * width), blocks(1),
                     resident_blocks(stream, kernel, threads, shared)});
  }
};

/// For `kernel`, whose threads are laid out by Layout and have `queue_bytes` of rows under way
/// each; sums_columns: it leaves sums per column.
template <class Layout, class Kernel>
NormLaunch norm_launch(Kernel kernel, int64_t rows, int64_t width, int queue_bytes,
                       bool sums_columns, const char* op) {
  int lanes = Layout::kLanes > 0 ? Layout::kLanes : 32;
  while (lanes * Layout::kElements < width) lanes *= 2;
  require(lanes <= kMostNormThreads, op, "rows on the GPU have at most 8192 elements");
  require(rows < kMostNormRows, op, "more rows than 32-bit numbers count");
  const int threads = std::max(lanes, kNormThreads);
  const int sums = sums_columns ? 2 * threads * Layout::kElements * int{sizeof(float)} : 0;
  const int shared = std::max(threads * queue_bytes, sums);
  check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, shared),
        "cudaFuncSetAttribute");
  return {static_cast<int>(rows), static_cast<int>(width), lanes, threads, shared};
}

/// Calls body(std::type_identity<RowLayout<..>>) with what suits rows of `width` elements of T;
/// rows of up to 256 are held by kNarrowLanes, 16 or 32: half the instructions a row, or half the
/// registers a thread. Which is faster was measured for each kernel.
template <class T, int kNarrowLanes = 16, class Body>
void with_row_layout(int64_t width, std::initializer_list<const void*> pointers, const Body& body) {
  with_pack_width<kVector<T>>(width, pointers, [&](auto pack) {
    if constexpr (pack > 1) {
      constexpr int kNarrow = 16 * kNormElements;
      if (width <= kNarrow) {
        return body(std::type_identity<RowLayout<pack, kNarrowLanes, kNarrow / kNarrowLanes>>{});
      }
      if (width <= 32 * kNormElements) return body(std::type_identity<RowLayout<pack, 32>>{});
    }
    body(std::type_identity<RowLayout<pack, 0>>{});
  });
}

}  // namespace lacuna::cuda
