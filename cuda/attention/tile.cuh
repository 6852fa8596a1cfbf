// What the attention kernels share: the rows of an item, the walk over its column tiles, tiles in
// shared memory and their fragments.
//
// A tile is [rows, kWidth] of 16-bit elements. The 16-byte chunks of a row are permuted by the row
// number, so that the eight rows of a fragment lie in different banks. What is missing, rows or
// columns of the head, is zero.
#pragma once

#include "attention/arguments.h"
#include "device/mma.cuh"

namespace lacuna::cuda::attention {

using namespace device;  // NOLINT: the PTX wrappers

inline constexpr float kLog2E = 1.4426950408889634f;
inline constexpr float kLn2 = 0.6931471805599453f;

__device__ inline int32_t position_of(const DeviceOrder& order, int32_t lane, int32_t i) {
  const int32_t start = order.offset + lane * order.lane_stride;
  if (order.run == 1) return start + i * order.outer;
  const auto run = static_cast<int32_t>(__umulhi(static_cast<uint32_t>(i), order.magic));
  return start + run * order.outer + (i - run * order.run) * order.inner;
}

/// Bytes from the start of a tile to a chunk of 8 elements.
template <int kWidth>
__device__ inline uint32_t chunk_at(int row, int chunk) {
  const int key = kWidth >= 64 ? row & 7 : row >> 1 & 3;
  return static_cast<uint32_t>(row * kWidth * 2 + ((chunk ^ key) << 4));
}

/// The rows of an item: their places in the lane and in the sequence, by group and row of the
/// group.
struct ItemRows {
  Item item;
  int32_t batch;

  __device__ explicit ItemRows(const Work& work)
      : item(work.items[blockIdx.x / static_cast<unsigned>(work.batch)]),
        batch(static_cast<int32_t>(blockIdx.x % static_cast<unsigned>(work.batch))) {}

  /// groups_per_lane is a power of two.
  __device__ int32_t lane_of(int group) const {
    return item.first_lane + (group >> (__ffs(item.groups_per_lane) - 1));
  }
  __device__ int32_t index_of(int group, int row, int group_rows) const {
    return item.first_row + (group & (item.groups_per_lane - 1)) * group_rows + row;
  }
  /// -1 for a row that does not exist.
  __device__ int32_t position(const Work& work, int group, int row, int group_rows) const {
    const int32_t lane = lane_of(group);
    if (lane >= item.last_lane) return -1;
    const DeviceOrder order = work.walks[item.walk].rows;
    const int32_t at = position_of(order, lane, index_of(group, row, group_rows));
    return at < work.length ? at : -1;
  }
};

/// Where the walk over the columns of an item stands: one tile of a segment.
struct Cursor {
  int32_t index, last;  // of segments
  int32_t column;       // first of the tile
  Segment segment;

  __device__ Cursor(const Work& work, const Item& item)
      : index(item.first_segment), last(item.last_segment) {
    enter(work);
  }
  __device__ bool valid() const { return index < last; }
  __device__ void advance(const Work& work) {
    column += kColumnTile;
    if (column < segment.end) return;
    ++index;
    enter(work);
  }

 private:
  __device__ void enter(const Work& work) {
    if (!valid()) return;
    segment = work.segments[index];
    column = segment.begin;
  }
};

/// Eight elements of a narrow row, those beyond `count` zero.
__device__ inline void copy_elements(uint32_t to, const uint16_t* from, int count) {
  uint32_t pairs[4] = {};
#pragma unroll
  for (int j = 0; j < 8; ++j) {
    if (j < count) pairs[j / 2] |= static_cast<uint32_t>(from[j]) << (j % 2 * 16);
  }
  asm volatile("st.shared.v4.b32 [%0], {%1,%2,%3,%4};" ::"r"(to), "r"(pairs[0]), "r"(pairs[1]),
               "r"(pairs[2]), "r"(pairs[3])
               : "memory");
}

/// Starts to copy rows to a tile; position(row) is negative for what does not exist.
template <int kRows, int kWidth, class T, class Position>
__device__ inline void copy_rows(uint32_t tile, const Rows<const T>& from, int32_t batch,
                                 int32_t head, const Position& position) {
  constexpr int kChunks = kWidth / 8, kStep = kThreads / kChunks;
  const int first = static_cast<int>(threadIdx.x) / kChunks;
  const int chunk = static_cast<int>(threadIdx.x) % kChunks, left = from.width - chunk * 8;
  const T* base = from.data + batch * from.batch + int64_t{head} * from.head + chunk * 8;
  if (from.wide) {
#pragma unroll
    for (int i = 0; i < kRows / kStep; ++i) {
      const int32_t where = position(first + i * kStep);
      copy_async_16(tile + chunk_at<kWidth>(first + i * kStep, chunk),
                    base + static_cast<int64_t>(where) * from.position, where >= 0 && left > 0);
    }
    return;
  }
#pragma unroll 1
  for (int row = first; row < kRows; row += kStep) {
    const int32_t where = position(row);
    copy_elements(
        tile + chunk_at<kWidth>(row, chunk),
        reinterpret_cast<const uint16_t*>(base + static_cast<int64_t>(where) * from.position),
        where >= 0 ? left : 0);
  }
}

/// Starts to copy columns [column, end) of a lane, at most a tile's.
template <int kWidth, class T>
__device__ inline void copy_columns(uint32_t tile, const Rows<const T>& from, const ItemRows& rows,
                                    const DeviceOrder& order, int32_t lane, int32_t column,
                                    int32_t end) {
  constexpr int kChunks = kWidth / 8, kStep = kThreads / kChunks;
  if (!from.wide || order.run != 1) {
    copy_rows<kColumnTile, kWidth>(tile, from, rows.batch, rows.item.head, [&](int row) {
      return column + row < end ? position_of(order, lane, column + row) : -1;
    });
    return;
  }
  // Evenly spaced: one address and one step.
  const int first = static_cast<int>(threadIdx.x) / kChunks;
  const int chunk = static_cast<int>(threadIdx.x) % kChunks;
  const int32_t start = position_of(order, lane, column + first);
  const T* source = from.data + rows.batch * from.batch + int64_t{rows.item.head} * from.head +
                    static_cast<int64_t>(start) * from.position + chunk * 8;
  const int64_t step = static_cast<int64_t>(kStep * order.outer) * from.position;
  const int32_t count = chunk * 8 < from.width ? end - column : 0;
#pragma unroll
  for (int i = 0; i < kColumnTile / kStep; ++i) {
    copy_async_16(tile + chunk_at<kWidth>(first + i * kStep, chunk), source,
                  first + i * kStep < count);
    source += step;
  }
}

/// Lanes of a warp as a left operand: 16 rows from `row` on, 16 elements from chunk 2 * `step` on.
template <int kWidth>
__device__ inline void left_fragment(uint32_t (&to)[4], uint32_t tile, int row, int step) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  load_matrices(to, tile + chunk_at<kWidth>(row + lane % 16, 2 * step + lane / 16));
}
/// As a right operand whose 16 columns are rows of the tile: to[0..1] and to[2..3] for 8 each.
template <int kWidth>
__device__ inline void right_fragment(uint32_t (&to)[4], uint32_t tile, int row, int step) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  load_matrices(to,
                tile + chunk_at<kWidth>(row + lane / 16 * 8 + lane % 8, 2 * step + lane / 8 % 2));
}
/// As a right operand of 16 rows of the tile, and its 16 columns from chunk 2 * `step` on.
template <int kWidth>
__device__ inline void right_transposed(uint32_t (&to)[4], uint32_t tile, int row, int step) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  load_transposed(to,
                  tile + chunk_at<kWidth>(row + lane / 8 % 2 * 8 + lane % 8, 2 * step + lane / 16));
}

/// What the rows of a warp see of a segment in common.
struct VisibleColumns {
  Span any, all;  // columns that some row sees, and that every row sees

  /// Leaves what each row sees in `spans`, for its warp. Rows that do not exist see everything:
  /// nobody reads them.
  template <int kGroupRows>
  __device__ void find(const Work& work, const ItemRows& rows, const Segment& segment, int group,
                       const int32_t* positions, Span* spans) {
    const Span* table = work.spans + work.walks[segment.walk].first_span;
    const int row = static_cast<int>(threadIdx.x) % kGroupRows;
    Span seen = {0, INT32_MAX};
    any = {INT32_MAX, 0};
    all = seen;
    if (positions[group * kGroupRows + row] >= 0) {
      seen = table[rows.index_of(group, row, kGroupRows)];
      seen.end = min(seen.end, segment.end);
      all = seen;
      if (seen.begin < seen.end) any = seen;
    }
    __syncwarp();  // the warp may still read what it saw of another segment
    if (threadIdx.x % 32 < kGroupRows) spans[group * kGroupRows + row] = seen;
    any = {__reduce_min_sync(~0u, any.begin), __reduce_max_sync(~0u, any.end)};
    all = {__reduce_max_sync(~0u, all.begin), __reduce_min_sync(~0u, all.end)};
    __syncwarp();
  }
  __device__ bool sees(int32_t begin, int32_t end) const {
    return begin < any.end && end > any.begin;
  }
  __device__ bool sees_all(int32_t begin, int32_t end) const {
    return begin >= all.begin && end <= all.end;
  }
};

/// How every item begins: load(cursor, stage) starts to bring its first tile, load_rows(position)
/// what belongs to its rows, whose positions are left in `positions`. All of it has come when this
/// returns where the walk begins.
template <int kRows, int kGroupRows, class Load, class LoadRows>
__device__ inline Cursor begin_item(const Work& work, const ItemRows& rows, int32_t* positions,
                                    const Load& load, const LoadRows& load_rows) {
  const Cursor first(work, rows.item);
  if (first.valid()) load(first, 0);
  for (int i = static_cast<int>(threadIdx.x); i < kRows; i += kThreads) {
    positions[i] = rows.position(work, i / kGroupRows, i % kGroupRows, kGroupRows);
  }
  __syncthreads();
  load_rows([positions](int row) { return positions[row]; });
  wait_for_copies();
  __syncthreads();
  return first;
}

/// Walks the tiles of an item: while compute(cursor, stage, visible) works on one, the next is on
/// its way. A warp leaves out the segments of other groups.
template <int kGroupRows, class Load, class Compute>
__device__ inline void walk_tiles(const Work& work, const ItemRows& rows, Cursor next,
                                  const int32_t* positions, Span* spans, const Load& load,
                                  const Compute& compute) {
  const int warp = static_cast<int>(threadIdx.x) / 32;
  VisibleColumns visible;
  int32_t segment = -1;
  for (int stage = 0; next.valid(); stage ^= 1) {
    const Cursor at = next;
    next.advance(work);
    wait_for_copies();
    __syncthreads();
    if (next.valid()) load(next, stage ^ 1);
    if (warp < at.segment.first_group || warp >= at.segment.last_group) continue;
    if (segment != at.index) {
      visible.find<kGroupRows>(work, rows, at.segment, warp, positions, spans);
    }
    segment = at.index;
    compute(at, stage, visible);
  }
}

/// Puts the sums of a warp, times `factor`, into its rows of a tile, rounded.
template <int kWidth, class T, int kSteps>
__device__ inline void stage_sums(uint32_t tile, int row, const float (&sums)[kSteps][4],
                                  float factor, float factor_below) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
  for (int n = 0; n < kSteps; ++n) {
    const uint32_t at = tile + static_cast<uint32_t>(lane % 4 * 4);
    const uint32_t upper = pack<T>(sums[n][0] * factor, sums[n][1] * factor);
    const uint32_t lower = pack<T>(sums[n][2] * factor_below, sums[n][3] * factor_below);
    asm volatile("st.shared.b32 [%0], %1;" ::"r"(at + chunk_at<kWidth>(row + lane / 4, n)),
                 "r"(upper)
                 : "memory");
    asm volatile("st.shared.b32 [%0], %1;" ::"r"(at + chunk_at<kWidth>(row + lane / 4 + 8, n)),
                 "r"(lower)
                 : "memory");
  }
}

__device__ inline uint4 load_chunk(uint32_t from) {
  uint4 x;
  asm volatile("ld.shared.v4.b32 {%0,%1,%2,%3}, [%4];"
               : "=r"(x.x), "=r"(x.y), "=r"(x.z), "=r"(x.w)
               : "r"(from)
               : "memory");
  return x;
}

template <class T>
__device__ inline uint32_t added(uint32_t a, uint32_t b) {
  const float2 x = unpack<T>(a), y = unpack<T>(b);
  return pack<T>(x.x + y.x, x.y + y.y);
}

template <class T>
__device__ inline void write_chunk(T* to, uint4 x, bool later) {
  auto* wide = reinterpret_cast<uint4*>(to);
  if (later) {
    const uint4 old = *wide;
    x = {added<T>(x.x, old.x), added<T>(x.y, old.y), added<T>(x.z, old.z), added<T>(x.w, old.w)};
  }
  *wide = x;
}
template <class T>
__device__ inline void write_elements(T* to, const uint4& x, int count, bool later) {
  const uint32_t pairs[4] = {x.x, x.y, x.z, x.w};
#pragma unroll
  for (int j = 0; j < 8; ++j) {
    const float2 pair = unpack<T>(pairs[j / 2]);
    const float value = j % 2 == 0 ? pair.x : pair.y;
    if (j < count) to[j] = T(later ? value + static_cast<float>(to[j]) : value);
  }
}

/// Writes `kRows` rows of a tile, from `first` on, by one warp; adds to what is there if `later`.
template <int kRows, int kWidth, class T>
__device__ inline void write_rows(const Rows<T>& to, int32_t batch, int32_t head, uint32_t tile,
                                  int first, const int32_t* positions, bool later) {
  constexpr int kChunks = kWidth / 8;
  T* base = to.data + batch * to.batch + head * to.head;
  const int lane = static_cast<int>(threadIdx.x) % 32, chunk = lane % kChunks;
  const int left = to.width - chunk * 8;
#pragma unroll 2
  for (int row = first + lane / kChunks; row < first + kRows; row += 32 / kChunks) {
    const int32_t position = positions[row];
    if (position < 0 || left <= 0) continue;
    T* target = base + static_cast<int64_t>(position) * to.position + chunk * 8;
    const uint4 x = load_chunk(tile + chunk_at<kWidth>(row, chunk));
    if (to.wide) {
      write_chunk(target, x, later);
    } else {
      write_elements(target, x, left, later);
    }
  }
}

}  // namespace lacuna::cuda::attention
