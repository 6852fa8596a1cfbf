// Gradients on Hopper's tensor cores (wgmma), in a settled order:
//   p = exp(scale q k^T - lse),  ds = p * (dy v^T - delta),  dq = scale ds k
//   dk = scale ds^T q,  dv = p^T dy
// An item has 128 rows of a head: as queries they walk the keys that they see and get dq, as keys
// the queries by which they are seen and get dk and dv (pair_plan.h). So q, k, v and dy of an item
// are read once, and what it walks of its neighbours comes from the L2 cache. Both sides are the
// same text: rows and columns have a narrow and a wide tensor (q and dy, or k and v),
//   s = narrow rows (narrow columns)^T,  ds = p * (wide rows (wide columns)^T - delta),
//   sum of ds times narrow columns: dq or dk;  of p times wide columns: dv, if the rows are keys
// and what differs is whether lse and delta belong to rows or to columns. A warp copies
// (backward_producer_sm90.cuh); two warpgroups compute 64 rows each against tiles of 64 columns:
//   compute  for each tile: both products, p while the second runs, ds, the products of the sums
//   finish   the sums, straight from registers; a later stage adds to what is there
// What a row sees of its own item (all, where lanes are short) takes five products and one
// exponential: ds, which the keys' side computes, goes to shared memory for dq (`joint` items).
// What it sees of others takes seven and two, in exchange for sums that never leave a block.
#pragma once

#include "attention/backward_producer_sm90.cuh"
#include "attention/products_sm90.cuh"
#include "queue.h"

namespace lacuna::cuda::attention {
namespace {

/// lse * log2(e) and delta of a thread's two rows, which are queries.
struct RowStatistics {
  float shift[2], delta[2];

  __device__ RowStatistics(const PairItemNotes& notes, int row)
      : shift{notes.lse[row] * kLog2E, notes.lse[row + 8] * kLog2E},
        delta{notes.delta[row], notes.delta[row + 8]} {}

  template <int kColumns>
  __device__ void weigh(Sums<kColumns>& s, float factor) const {
#pragma unroll
    for (int n = 0; n < kColumns / 8; ++n) {
#pragma unroll
      for (int e = 0; e < 4; ++e) s[n][e] = exp2_fast(s[n][e] * factor - shift[e / 2]);
    }
  }
  template <int kColumns>
  __device__ void slope(Sums<kColumns>& ds, const Sums<kColumns>& p) const {
#pragma unroll
    for (int n = 0; n < kColumns / 8; ++n) {
#pragma unroll
      for (int e = 0; e < 4; ++e) ds[n][e] = p[n][e] * (ds[n][e] - delta[e / 2]);
    }
  }
};

/// The same where queries are the 64 columns, from two arrays in shared memory.
struct ColumnStatistics {
  const float *lse, *delta;

  __device__ static float2 pair(const float* numbers, int n) {
    const int column = n * 8 + static_cast<int>(threadIdx.x) % 4 * 2;
    return *reinterpret_cast<const float2*>(&numbers[column]);
  }
  template <int kColumns>
  __device__ void weigh(Sums<kColumns>& s, float factor) const {
#pragma unroll
    for (int n = 0; n < kColumns / 8; ++n) {
      const float2 x = pair(lse, n);
      const float shift[2] = {x.x * kLog2E, x.y * kLog2E};
#pragma unroll
      for (int e = 0; e < 4; ++e) s[n][e] = exp2_fast(s[n][e] * factor - shift[e % 2]);
    }
  }
  template <int kColumns>
  __device__ void slope(Sums<kColumns>& ds, const Sums<kColumns>& p) const {
#pragma unroll
    for (int n = 0; n < kColumns / 8; ++n) {
      const float2 x = pair(delta, n);
#pragma unroll
      for (int e = 0; e < 4; ++e) ds[n][e] = p[n][e] * (ds[n][e] - (e % 2 == 0 ? x.x : x.y));
    }
  }
};

/// What a thread's two rows see of kColumns columns of a tile, as mask() takes it.
template <int kColumns>
struct SeenColumns {
  uint32_t columns[2];

  /// `first`: the first of those columns, counted as the segment counts them.
  __device__ SeenColumns(const PairTileNotes& tile, const SegmentNotes& segment, int first,
                         int slot, int own_row) {
    const int shift = (slot < kSm90Rows ? own_row & -slot : 0) - first;  // of both rows' lane
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const Span span = segment.rows[own_row + 8 * half];
      const int begin = min(max(span.begin + shift, 0), kColumns);
      const int end = min(max(min(span.end, tile.end) + shift, 0), kColumns);
      columns[half] = static_cast<uint32_t>(begin) | static_cast<uint32_t>(end) << 16;
    }
  }
};

/// What a computing warpgroup knows of its block.
template <class Shape>
struct Computing {
  typename Shape::Shared* shared;
  uint32_t memory;
  int group;
  Ring<Shape::kRowStages> items;
  Ring<Shape::kStages> ring;

  /// The first of this thread's two rows of an item; the other is 8 below.
  __device__ int own_row() const {
    return group * 64 + static_cast<int>(threadIdx.x) % 128 / 32 * 16 +
           static_cast<int>(threadIdx.x) % 32 / 4;
  }
};

/// Where no key of a half sees a part of a half of the queries.
template <class T, class Shape>
__device__ inline void store_no_slopes(const Computing<Shape>& at, int query_half, int column) {
  Sums<Shape::kPartColumns> nothing;
  clear<Shape::kPartColumns>(nothing);
  const Weights<T, Shape::kPartColumns> zeros(nothing);
  zeros.store(Shape::slopes(at.memory, own_slopes(at.group, query_half)), column);
}

/// The sums of one side of an item: over its tiles, if there are any.
template <class T, class Shape, RowsAre kRowsAre>
__device__ inline void sum_tiles(Computing<Shape>& at, float factor, Sums<Shape::kQk>& narrow_sums,
                                 Sums<kRowsAre == RowsAre::kKeys ? Shape::kV : 8>& wide_sums) {
  constexpr bool kOfKeys = kRowsAre == RowsAre::kKeys;
  constexpr int kQk = Shape::kQk, kV = Shape::kV, kColumns = Shape::kColumns;
  constexpr int kPart = Shape::kPartColumns;
  constexpr int kSide = kOfKeys ? kKeySide : kQuerySide;
  const auto& barriers = at.shared->barriers;
  const PairItemNotes& item = at.shared->items[at.items.stage];
  const uint32_t narrow = Shape::own_tile(at.memory, at.items.stage, kSide, at.group);
  const uint32_t wide = narrow + Shape::kNarrowBytes;
  const RowStatistics of_rows(item, at.own_row());
  const bool joint = warp_uniform(item.joint);
  for (bool last = !warp_uniform(item.walks[kSide]); !last; at.ring.advance()) {
    const int stage = at.ring.stage;
    await(barriers.full(stage), at.ring.parity);
    const PairTileNotes& notes = at.shared->tiles[stage];
    last = warp_uniform(notes.last);
    const int own = warp_uniform(notes.own);
    const uint32_t narrow_tile = own < 0
                                     ? Shape::ring_tile(at.memory, stage)
                                     : Shape::own_tile(at.memory, at.items.stage, 1 - kSide, own);
    const uint32_t wide_tile = narrow_tile + Shape::kNarrowBytes;
#pragma unroll 1
    for (int column = 0; column < kColumns; column += kPart) {
      const Seen sees = warp_uniform(notes.seen[at.group][column / kPart]);
      // The second half of the keys is not seen by the first half of the queries.
      const bool stores = kOfKeys && joint && own >= at.group;
      if (sees == Seen::kNothing) {
        if (stores && kPart < kColumns) store_no_slopes<T, Shape>(at, own, column);
        continue;
      }
      const auto statistics = [&] {
        if constexpr (kOfKeys) {
          return own < 0 ? ColumnStatistics{notes.lse + column, notes.delta + column}
                         : ColumnStatistics{item.lse + own * kColumns + column,
                                            item.delta + own * kColumns + column};
        } else {
          return of_rows;
        }
      }();
      Sums<kPart> s, ds;
      begin_products();
      multiply_rows<T, kQk, kColumns, kColumns, kPart>(s, narrow, 0, narrow_tile, column);
      commit_products();
      multiply_rows<T, kV, kColumns, kColumns, kPart>(ds, wide, 0, wide_tile, column);
      commit_products();
      finish_products<1>();
      keep(s);
      statistics.template weigh<kPart>(s, factor);
      if (sees == Seen::kSome) {
        const SeenColumns<kPart> seen(notes, at.shared->segments[notes.segment],
                                      notes.first + column, item.slot, at.own_row());
        mask<kPart>(s, seen.columns, 0);
      }
      finish_products<0>();
      keep(ds);
      statistics.template slope<kPart>(ds, s);
      const Weights<T, kPart> slopes(ds);
      if (stores) {
        const int place = own_slopes(at.group, own);
        slopes.store(Shape::slopes(at.memory, place), column);
        if (threadIdx.x % 128 == 0) at.shared->has_slopes[place] = true;
      }
      keep(narrow_sums);
      if constexpr (kOfKeys) {
        const Weights<T, kPart> weights(s);
        keep(wide_sums);
        begin_products();
        weights.template multiply_summed<kV, kColumns>(wide_sums, wide_tile, column);
        slopes.template multiply_summed<kQk, kColumns>(narrow_sums, narrow_tile, column);
      } else {
        begin_products();
        slopes.template multiply_summed<kQk, kColumns>(narrow_sums, narrow_tile, column);
      }
      commit_products();
      finish_products<0>();
      keep(narrow_sums);
      if constexpr (kOfKeys) keep(wide_sums);
    }
    release(barriers.free(stage));
  }
}

/// Named barriers at which both computing warpgroups meet.
inline constexpr int kSlopesStored = 1, kSlopesUsed = 2;

/// A joint item's slopes are about to be stored: those of the one before have been used.
template <class Shape>
__device__ inline void begin_slopes(const Computing<Shape>& at) {
  meet(kSlopesUsed, 128 * kSm90Groups);
  if (threadIdx.x % 128 != 0) return;
  for (int query = at.group; query < kSm90Groups; ++query) {
    at.shared->has_slopes[own_slopes(at.group, query)] = false;
  }
}

/// What the queries of a joint item's half see of the item itself: dq += ds k.
template <class T, class Shape>
__device__ inline void add_slopes(const Computing<Shape>& at, Sums<Shape::kQk>& dq) {
  show_to_async_proxy();
  meet(kSlopesStored, 128 * kSm90Groups);
  for (int key = 0; key <= at.group; ++key) {
    const int place = own_slopes(key, at.group);
    if (!warp_uniform(at.shared->has_slopes[place])) continue;
    keep(dq);
    begin_products();
    multiply_transposed<T, Shape::kQk>(dq, Shape::slopes(at.memory, place),
                                       Shape::own_tile(at.memory, at.items.stage, kKeySide, key));
    commit_products();
    finish_products<0>();
    keep(dq);
  }
}

/// All that a computing warpgroup does.
template <class T, class Shape>
__device__ inline void differentiate_items(const BackwardArguments<T>& a, Computing<Shape> at) {
  const float factor = a.scale * kLog2E;
  for (ItemOrder order; order.valid(a.work); order.advance(), at.items.advance()) {
    const auto& barriers = at.shared->barriers;
    await(barriers.rows_full(at.items.stage), at.items.parity);
    const PairItemNotes& notes = at.shared->items[at.items.stage];
    const OwnRows own(notes, at.own_row());
    const bool joint = warp_uniform(notes.joint), has_queries = warp_uniform(notes.has[kQuerySide]);
    if (joint) begin_slopes(at);
    if (warp_uniform(notes.has[kKeySide])) {
      Sums<Shape::kQk> dk;
      Sums<Shape::kV> dv;
      clear<Shape::kQk>(dk);
      clear<Shape::kV>(dv);
      sum_tiles<T, Shape, RowsAre::kKeys>(at, factor, dk, dv);
      write_own_rows<T, Shape::kQk>(a.dk, own, dk, a.scale, a.later);
      write_own_rows<T, Shape::kV>(a.dv, own, dv, 1, a.later);
    }
    if (has_queries) {
      Sums<Shape::kQk> dq;
      Sums<8> none;
      clear<Shape::kQk>(dq);
      if (joint) add_slopes<T, Shape>(at, dq);
      sum_tiles<T, Shape, RowsAre::kQueries>(at, factor, dq, none);
      release(barriers.rows_free(at.items.stage));
      write_own_rows<T, Shape::kQk>(a.dq, own, dq, a.scale, a.later);
    } else {
      release(barriers.rows_free(at.items.stage));
    }
  }
}

template <class T, int kQk, int kV>
__global__ void __launch_bounds__(BackwardShape<kQk, kV>::kThreads, BackwardShape<kQk, kV>::kBlocks)
    attention_backward_sm90_kernel(const __grid_constant__ BackwardArguments<T> a,
                                   const __grid_constant__ PairWork pairs,
                                   const __grid_constant__ Sm90Maps maps) {
  using Shape = BackwardShape<kQk, kV>;
  extern __shared__ unsigned char dynamic[];
  __shared__ typename Shape::Shared shared;
  const uint32_t memory = first_tile(dynamic, Shape::kAlignment);
  if (threadIdx.x == 0) shared.barriers.make();
  __syncthreads();
  const int warpgroup = warp_uniform(static_cast<int>(threadIdx.x) / 128);
  if (warpgroup == kSm90Groups) {
    if constexpr (Shape::kMovesRegisters) give_registers_up<Shape::kCopyRegisters>();
    const PairSources<T> from{a.q, a.k, a.v, a.dy, a.lse, a.delta};
    BackwardProducer<Shape, T> producer(a.work, pairs, from, maps, &shared, memory);
    if (threadIdx.x % 128 < 32) producer.bring_items();
  } else {
    if constexpr (Shape::kMovesRegisters) take_registers<Shape::kComputeRegisters>();
    differentiate_items<T, Shape>(a, {&shared, memory, warpgroup, {}, {}});
  }
}

}  // namespace

template <class T, int kQk, int kV>
void launch_backward_sm90(const BackwardArguments<T>& arguments, const PairWork& pairs,
                          const Sm90Maps& maps, int multiprocessors, cudaStream_t stream) {
  using Shape = BackwardShape<kQk, kV>;
  const auto kernel = attention_backward_sm90_kernel<T, kQk, kV>;
  check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, Shape::kBytes),
        "cudaFuncSetAttribute");
  const unsigned blocks = sm90_blocks(arguments.work, Shape::kBlocks * multiprocessors);
  kernel<<<blocks, Shape::kThreads, Shape::kBytes, stream>>>(arguments, pairs, maps);
  check_launch("attention_backward_sm90_kernel");
}

}  // namespace lacuna::cuda::attention
