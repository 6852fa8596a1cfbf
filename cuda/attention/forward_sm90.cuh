// Forward attention on Hopper's tensor cores (wgmma), with a running softmax as in forward.cuh:
//   y_i = sum_j p_ij v_j,  p_ij = exp(scale q_i k_j - lse_i),  lse_i = log sum_j exp(scale q_i k_j)
// Persistent blocks, one or two a multiprocessor, each of which goes through its share of the
// items. A warp copies (forward_producer_sm90.cuh); two warpgroups compute 64 rows each, every one
// on its own, so that one exponentiates while the other multiplies:
//   compute  for each tile of 64 or 128 keys: S = Q K^T; the softmax's weights, masked only where a
//            row sees a part of the tile; y += P V
//   finish   y and lse, straight from registers; a later stage joins them with those that the
//            earlier ones left, which the copying warp has had brought to the L2 cache
// Moves q, k, v and y once (k and v again from the L2 cache for each item that sees them) and 4
// bytes of lse a row.
#pragma once

#include "attention/forward_producer_sm90.cuh"
#include "attention/softmax_sm90.cuh"
#include "queue.h"

namespace lacuna::cuda::attention {
namespace {

template <int kQk, int kV>
struct ForwardShape : ForwardTiles<kQk, kV, sm90_forward_columns(kQk),
                                   kV == 32    ? 6
                                   : kV == 64  ? 4
                                   : kQk == 64 ? 6
                                               : 2> {
  // Two blocks hide each other's latencies, above all where items have few tiles. Their threads do
  // with as few registers as fit, and one warp is enough to copy; a block alone takes all
  // registers, and its computing warpgroups those of the copying one.
  static constexpr int kBlocks = kV <= 64 ? 2 : 1;
  static constexpr bool kMovesRegisters = kBlocks == 1;
  static constexpr int kThreads = kMovesRegisters ? kSm90Threads : 128 * kSm90Groups + 32;
  static_assert(kBlocks * (ForwardShape::kBytes + sizeof(typename ForwardShape::Shared) + 1024) <=
                    228 * 1024,
                "more than a multiprocessor has");
};

/// What the earlier stages left in a thread's two rows: its pairs of y, not unpacked yet, and lse.
template <class T, int kV>
struct EarlierRows {
  uint32_t pairs[2][kV / 8];
  float lse[2];

  __device__ EarlierRows(const ForwardArguments<T>& a, const OwnRows& own) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const T* row = own.in(a.y, half) + threadIdx.x % 4 * 2;
      const bool exists = own.position[half] >= 0;
      lse[half] = exists ? a.lse[own.statistic(a.work, half)] : -INFINITY;
#pragma unroll
      for (int n = 0; n < kV / 8; ++n) {
        pairs[half][n] = exists ? *reinterpret_cast<const uint32_t*>(row + n * 8) : 0;
      }
    }
  }
  /// Joins them with the rows of this stage; of each row one thread has the sum.
  __device__ void join(RunningRows<kV>* rows) const {
    float before[2];
#pragma unroll
    for (int half = 0; half < 2; ++half) before[half] = lse[half] * kLog2E;
    rows->raise(before, 0);
    rows->scale();
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const float weight = exp2_fast(before[half] - rows->base[half]);
      if (threadIdx.x % 4 == 0) rows->sum[half] += weight;
#pragma unroll
      for (int n = 0; n < kV / 8; ++n) {
        const float2 pair = unpack<T>(pairs[half][n]);
        rows->out[n][2 * half] += pair.x * weight;
        rows->out[n][2 * half + 1] += pair.y * weight;
      }
    }
  }
};

template <class T, int kV>
__device__ inline void finish_rows(RunningRows<kV>* rows, const ForwardArguments<T>& a,
                                   const OwnRows& own) {
  if (a.later) EarlierRows<T, kV>(a, own).join(rows);
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const float sum = row_sum(rows->sum[half]);
    const float inverse = sum > 0 ? reciprocal_fast(sum) : 0;
#pragma unroll
    for (int n = 0; n < kV / 8; ++n) {
      rows->out[n][2 * half] *= inverse;
      rows->out[n][2 * half + 1] *= inverse;
    }
    const bool exists = own.position[half] >= 0;
    if (exists && threadIdx.x % 4 == 0) {
      a.lse[own.statistic(a.work, half)] =
          sum > 0 ? (rows->base[half] + log2_fast(sum)) * kLn2 : -INFINITY;
    }
    write_row<T, kV>(own.in(a.y, half), exists, rows->out, half);
  }
}

/// A warpgroup's way through the tiles of the ring.
template <class Shape>
struct TileWalk {
  Ring<Shape::kStages> ring;  // beyond the tile
  int stage = 0;
  uint32_t parity = 0;
  Seen sees = Seen::kNothing;
  uint32_t seen[2] =
      {};             // what the thread's rows see of it; stale, and not used, where all is seen
  bool last = false;  // of the item

  /// Goes on to a tile of the item that the warpgroup sees something of; its narrow columns are
  /// there then.
  __device__ bool next(const typename Shape::Shared& shared, int group, int own_row) {
    while (!last) {
      stage = ring.stage;
      parity = ring.parity;
      ring.advance();
      await(shared.barriers.narrow_full(stage), parity);
      const auto& notes = shared.tiles[stage];
      sees = warp_uniform(notes.seen[group]);
      last = warp_uniform(notes.last);
      if (sees != Seen::kNothing) {
        seen[0] = notes.columns[own_row], seen[1] = notes.columns[own_row + 8];
        return true;
      }
      // The barriers count every tile, and none before it is full.
      release(shared.barriers.narrow_free(stage));
      await(shared.barriers.wide_full(stage), parity);
      release(shared.barriers.wide_free(stage));
    }
    return false;
  }
};

/// A warpgroup's rows against all tiles of an item.
template <class T, class Shape>
struct ItemProducts {
  static constexpr int kColumns = Shape::kColumns, kV = Shape::kV;
  typename Shape::Shared& shared;
  uint32_t memory, q;
  int group, own_row;
  float factor;
  TileWalk<Shape>& tile;
  RunningRows<kV>& rows;
  Sums<kColumns> s;

  __device__ bool next() { return tile.next(shared, group, own_row); }
  __device__ void multiply_keys() {
    begin_products();
    multiply_rows<T, Shape::kQk, kSm90Rows, kColumns, kColumns>(
        s, q, group * 64, Shape::narrow(memory, tile.stage), 0);
    commit_products();
  }
  /// Of s, which is there, what online_softmax() makes and says.
  __device__ bool weigh() {
    keep(s);
    release(shared.barriers.narrow_free(tile.stage));
    if (tile.sees == Seen::kSome) mask<kColumns>(s, tile.seen, -INFINITY);
    return online_softmax<kColumns, kV>(s, &rows, factor);
  }
  __device__ void multiply_values(const Weights<T, kColumns>& p, int stage, uint32_t parity) {
    await(shared.barriers.wide_full(stage), parity);
    keep(rows.out);
    begin_products();
    p.template multiply_summed<kV, kColumns>(rows.out, Shape::wide(memory, stage));
    commit_products();
  }
  __device__ void finish_values(int stage) {
    finish_products<0>();
    keep(rows.out);
    release(shared.barriers.wide_free(stage));
  }

  /// One product after the other: other warpgroups fill the time. (None may be left under way while
  /// the next tile is sought: its place in the ring may be the one that the tile is to come to.)
  __device__ void walk() {
    for (bool begun = false; next(); begun = true) {
      multiply_keys();
      finish_products<0>();
      if (weigh() && begun) rows.scale();
      multiply_values(Weights<T, kColumns>(s), tile.stage, tile.parity);
      finish_values(tile.stage);
    }
  }
};

/// All that a computing warpgroup does.
template <class T, int kQk, int kV>
__device__ inline void attend_items(const ForwardArguments<T>& a,
                                    typename ForwardShape<kQk, kV>::Shared* shared, uint32_t memory,
                                    int group) {
  using Shape = ForwardShape<kQk, kV>;
  const auto& barriers = shared->barriers;
  const int own_row = group * 64 + static_cast<int>(threadIdx.x) % 128 / 32 * 16 +
                      static_cast<int>(threadIdx.x) % 32 / 4;
  TileWalk<Shape> tile;
  Ring<Shape::kRowStages> items;
  for (ItemOrder at; at.valid(a.work); at.advance(), items.advance()) {
    await(barriers.rows_full(items.stage), items.parity);
    tile.last = warp_uniform(shared->items[items.stage].empty);
    RunningRows<kV> rows;
    ItemProducts<T, Shape> products{*shared, memory,  Shape::rows(memory, items.stage),
                                    group,   own_row, a.scale * kLog2E,
                                    tile,    rows};
    products.walk();
    const OwnRows own(shared->items[items.stage], own_row);
    release(barriers.rows_free(items.stage));
    finish_rows(&rows, a, own);
  }
}

template <class T, int kQk, int kV>
__global__ void __launch_bounds__(ForwardShape<kQk, kV>::kThreads, ForwardShape<kQk, kV>::kBlocks)
    attention_forward_sm90_kernel(const __grid_constant__ ForwardArguments<T> a,
                                  const __grid_constant__ Sm90Maps maps) {
  using Shape = ForwardShape<kQk, kV>;
  extern __shared__ unsigned char dynamic[];
  __shared__ typename Shape::Shared shared;
  const uint32_t memory = first_tile(dynamic, Shape::kAlignment);
  if (threadIdx.x == 0) shared.barriers.make();
  __syncthreads();
  const int warpgroup = warp_uniform(static_cast<int>(threadIdx.x) / 128);
  if (warpgroup == kSm90Groups) {
    if constexpr (Shape::kMovesRegisters) give_registers_up<Shape::kCopyRegisters>();
    // y and lse of the earlier stages are read when an item ends.
    const ForwardSources<T> from{.narrow_rows = a.q,
                                 .narrow_columns = a.k,
                                 .wide_columns = a.v,
                                 .prefetches_wide_rows = a.later};
    ForwardProducer<Shape, T> producer(a.work, from, maps, &shared, memory);
    if (threadIdx.x % 128 < 32) producer.bring_items();
  } else {
    if constexpr (Shape::kMovesRegisters) take_registers<Shape::kComputeRegisters>();
    attend_items<T, kQk, kV>(a, &shared, memory, warpgroup);
  }
}

}  // namespace

template <class T, int kQk, int kV>
void launch_forward_sm90(const ForwardArguments<T>& arguments, const Sm90Maps& maps,
                         int multiprocessors, cudaStream_t stream) {
  using Shape = ForwardShape<kQk, kV>;
  const auto kernel = attention_forward_sm90_kernel<T, kQk, kV>;
  check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, Shape::kBytes),
        "cudaFuncSetAttribute");
  check(cudaFuncSetAttribute(kernel, cudaFuncAttributePreferredSharedMemoryCarveout,
                             cudaSharedmemCarveoutMaxShared),
        "cudaFuncSetAttribute");
  const unsigned blocks = sm90_blocks(arguments.work, Shape::kBlocks * multiprocessors);
  kernel<<<blocks, Shape::kThreads, Shape::kBytes, stream>>>(arguments, maps);
  check_launch("attention_forward_sm90_kernel");
}

}  // namespace lacuna::cuda::attention
