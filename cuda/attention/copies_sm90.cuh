// How the Hopper kernels bring rows of a tensor to shared memory: whole tiles by the copy engine,
// those at a ragged end by the threads of one warp.
//
// A tile is [panels, rows, kPanelWidth] of 16-bit elements, swizzled as the copy engine does it:
// the 16-byte chunks of a row are permuted by the row's number. It starts at a multiple of 1,024
// bytes.
#pragma once

#include "attention/arguments_sm90.h"
#include "attention/tile.cuh"
#include "device/mbarrier.cuh"
#include "device/tma.cuh"

namespace lacuna::cuda::attention {

/// Bytes from the start of a tile of kRows rows to a chunk of 8 elements.
template <int kWidth, int kRows>
__device__ inline uint32_t panel_chunk_at(int row, int chunk) {
  constexpr int kPanel = kPanelWidth<kWidth>, kChunks = kPanel / 8;
  const uint32_t panel = static_cast<uint32_t>(chunk / kChunks * kRows * kPanel * 2);
  return panel + chunk_at<kPanel>(row, chunk % kChunks);
}

/// What the rows of a tile are: those from `first` on of one lane, or of several lanes with `slot`
/// each; slot is a power of two.
struct Place {
  int32_t lane, last_lane, first, slot;

  __device__ int32_t lane_of(int row) const { return lane + (row >> slot_bits()); }
  __device__ int32_t index_of(int row) const { return first + (row & (slot - 1)); }
  /// -1 for a row that does not exist.
  __device__ int32_t position(const DeviceOrder& order, int32_t length, int row) const {
    const int32_t at = position_of(order, lane_of(row), index_of(row));
    return lane_of(row) < last_lane && at < length ? at : -1;
  }

 private:
  __device__ int slot_bits() const { return __ffs(slot) - 1; }
};

/// The indices below which the copy engine can bring what there is of the lanes from `lane` on, the
/// first of which is the longest.
__device__ inline int32_t regular_end(const Regular& x, const DeviceOrder& order, int32_t length,
                                      int32_t lane) {
  if (x.regular == 0) return 0;
  return position_of(order, lane, x.regular) >= length ? INT32_MAX : x.regular;
}
/// Whether it can bring a tile of which indices below `end` are needed.
__device__ inline bool is_regular(const Regular& x, int32_t regular_end, const Place& place,
                                  int32_t end) {
  return (place.first & (x.unit - 1)) == 0 && min(place.first + place.slot, end) <= regular_end;
}

/// The corner of the box that starts at `place`.
__device__ inline BoxCorner corner_of(const DeviceOrder& order, const Place& place, int32_t head,
                                      int32_t batch) {
  int32_t inner = place.first, outer = place.lane;
  if (order.run != 1) {
    outer = static_cast<int32_t>(__umulhi(static_cast<uint32_t>(place.first), order.magic));
    inner = place.first - outer * order.run;
  }
  return {0, inner, outer, head, batch};
}

/// Starts to bring a tile of kRows rows; called by one thread.
template <int kWidth, int kRows>
__device__ inline void copy_tile(uint32_t to, const CUtensorMap* map, uint32_t barrier,
                                 const DeviceOrder& order, const Place& place, int32_t head,
                                 int32_t batch) {
  BoxCorner corner = corner_of(order, place, head, batch);
#pragma unroll
  for (int at = 0; at < kWidth; at += kPanelWidth<kWidth>) {
    corner.at[0] = at;
    copy_box(to + static_cast<uint32_t>(at * kRows * 2), map, barrier, corner);
  }
}

/// Starts to bring a tile to the L2 cache, for threads that will read it themselves.
template <int kWidth>
__device__ inline void prefetch_tile(const CUtensorMap* map, const DeviceOrder& order,
                                     const Place& place, int32_t head, int32_t batch) {
  BoxCorner corner = corner_of(order, place, head, batch);
#pragma unroll
  for (int at = 0; at < kWidth; at += kPanelWidth<kWidth>) {
    corner.at[0] = at;
    prefetch_box(map, corner);
  }
}

/// Brings a tile of kRows rows, zeros where there is no row; called by a warp. All of it is there,
/// for the tensor cores too, when the warp has met.
template <int kWidth, int kRows, class T>
__device__ inline void copy_tile_by_hand(uint32_t to, const Rows<const T>& from,
                                         const DeviceOrder& order, int32_t length,
                                         const Place& place, int32_t head, int32_t batch) {
  constexpr int kChunks = kWidth / 8;
  const T* base = from.data + batch * from.batch + int64_t{head} * from.head;
#pragma unroll 1
  for (int i = static_cast<int>(threadIdx.x) % 32; i < kRows * kChunks; i += 32) {
    const int row = i / kChunks, chunk = i % kChunks;
    const int32_t position = place.position(order, length, row);
    const T* source = base + static_cast<int64_t>(max(position, 0)) * from.position + chunk * 8;
    copy_async_16(to + panel_chunk_at<kWidth, kRows>(row, chunk), source, position >= 0);
  }
  wait_for_copies();
  show_to_async_proxy();
}

}  // namespace lacuna::cuda::attention
