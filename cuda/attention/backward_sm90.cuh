// Gradients on Hopper's tensor cores (wgmma), deterministic without atomics: one kernel whose rows
// are queries, then one whose rows are keys, as backward_queries.cuh and backward_keys.cuh:
//   p = exp(scale q k^T - lse),  ds = p * (dy v^T - delta),  dq = scale ds k
//   dk = scale ds^T q,  dv = p^T dy
// Both are the same text: rows and columns have a narrow and a wide tensor (q and dy, or k and v),
//   s = narrow rows (narrow columns)^T,  ds = p * (wide rows (wide columns)^T - delta),
//   sum of ds times narrow columns: dq or dk;  of p times wide columns: dv, if the rows are keys
// and what differs is whether lse and delta belong to rows or to columns. A warp copies
// (producer_sm90.cuh); two warpgroups compute 64 rows each against tiles of 64 columns:
//   load     the queries' lse and delta, which in the first stage is computed here from dy and y
//   compute  for each tile: both products, p while the second runs, ds, the products of the sums
//   finish   the sums, straight from registers; a later stage adds to what is there
// Seven products where one kernel of both would do with five.
#pragma once

#include "attention/products_sm90.cuh"
#include "queue.h"

namespace lacuna::cuda::attention {
namespace {

template <int kQk, int kV, RowsAre kRowsAre>
using BackwardShape = Sm90Shape<kQk, kV, kSm90BackwardColumns, 2, kRowsAre == RowsAre::kKeys,
                                kV == 32    ? 6
                                : kV == 64  ? 4
                                : kQk == 64 ? 3
                                            : 2>;

/// lse * log2(e) and delta of a thread's two rows, which are queries.
template <class T, int kV>
struct RowStatistics {
  float shift[2], delta[2];

  __device__ RowStatistics(const BackwardArguments<T>& a, const OwnRows& own) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const bool exists = own.position[half] >= 0;
      const int64_t at = own.statistic(a.work, half);
      shift[half] = exists ? a.lse[at] * kLog2E : 0;
      if (!a.writes_delta) {
        delta[half] = exists ? a.delta[at] : 0;
        continue;
      }
      float sum = 0;
#pragma unroll
      for (int n = 0; n < kV / 8; n += 4) {
        uint32_t y[4], dy[4];
        load_words(y, own.in(a.y, half), exists, n);
        load_words(dy, own.in(a.dy, half), exists, n);
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          const float2 left = unpack<T>(y[i]), right = unpack<T>(dy[i]);
          sum += left.x * right.x + left.y * right.y;
        }
      }
      delta[half] = row_sum(sum);
      if (exists && threadIdx.x % 4 == 0) a.delta[at] = delta[half];
    }
  }
  template <int kColumns, class Notes>
  __device__ void weigh(Sums<kColumns>& s, float factor, const Notes&) const {
#pragma unroll
    for (int n = 0; n < kColumns / 8; ++n) {
#pragma unroll
      for (int e = 0; e < 4; ++e) s[n][e] = exp2_fast(s[n][e] * factor - shift[e / 2]);
    }
  }
  template <int kColumns, class Notes>
  __device__ void slope(Sums<kColumns>& ds, const Sums<kColumns>& p, const Notes&) const {
#pragma unroll
    for (int n = 0; n < kColumns / 8; ++n) {
#pragma unroll
      for (int e = 0; e < 4; ++e) ds[n][e] = p[n][e] * (ds[n][e] - delta[e / 2]);
    }
  }
};

/// The same where queries are columns: what the copying warp has left beside a tile.
struct NotedStatistics {
  template <class Numbers>
  __device__ static float2 pair(const Numbers& numbers, int n) {
    const int column = n * 8 + static_cast<int>(threadIdx.x) % 4 * 2;
    return *reinterpret_cast<const float2*>(&numbers[column]);
  }
  template <int kColumns, class Notes>
  __device__ void weigh(Sums<kColumns>& s, float factor, const Notes& notes) const {
#pragma unroll
    for (int n = 0; n < kColumns / 8; ++n) {
      const float2 shift = pair(notes.shift, n);
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        s[n][e] = exp2_fast(s[n][e] * factor - (e % 2 == 0 ? shift.x : shift.y));
      }
    }
  }
  template <int kColumns, class Notes>
  __device__ void slope(Sums<kColumns>& ds, const Sums<kColumns>& p, const Notes& notes) const {
#pragma unroll
    for (int n = 0; n < kColumns / 8; ++n) {
      const float2 delta = pair(notes.delta, n);
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        ds[n][e] = p[n][e] * (ds[n][e] - (e % 2 == 0 ? delta.x : delta.y));
      }
    }
  }
};

/// All that a computing warpgroup does.
template <class T, int kQk, int kV, RowsAre kRowsAre>
__device__ inline void differentiate_items(
    const BackwardArguments<T>& a, typename BackwardShape<kQk, kV, kRowsAre>::Shared* shared,
    uint32_t memory, int group) {
  using Shape = BackwardShape<kQk, kV, kRowsAre>;
  constexpr int kColumns = Shape::kColumns;
  constexpr bool kOfKeys = kRowsAre == RowsAre::kKeys;
  const auto& barriers = shared->barriers;
  const int own_row = group * 64 + static_cast<int>(threadIdx.x) % 128 / 32 * 16 +
                      static_cast<int>(threadIdx.x) % 32 / 4;
  const float factor = a.scale * kLog2E;
  Ring<Shape::kStages> ring;
  Ring<Shape::kRowStages> items;
  for (ItemOrder at; at.valid(a.work); at.advance(), items.advance()) {
    await(barriers.rows_full(items.stage), items.parity);
    const bool empty = shared->items[items.stage].empty;
    const OwnRows own(shared->items[items.stage], own_row);
    const uint32_t narrow = Shape::narrow_rows(memory, items.stage);
    const uint32_t wide = Shape::wide_rows(memory, items.stage);
    const auto statistics = [&] {
      if constexpr (kOfKeys) {
        return NotedStatistics{};
      } else {
        return RowStatistics<T, kV>(a, own);
      }
    }();
    Sums<kQk> narrow_sums;
    Sums<kOfKeys ? kV : 8> wide_sums;
    clear<kQk>(narrow_sums);
    if constexpr (kOfKeys) clear<kV>(wide_sums);

    for (bool last = empty; !last; ring.advance()) {
      const int stage = ring.stage;
      await(barriers.narrow_full(stage), ring.parity);
      await(barriers.wide_full(stage), ring.parity);
      const auto& notes = shared->tiles[stage];
      const Seen sees = notes.seen[group];
      last = notes.last;
      if (sees != Seen::kNothing) {
        // Stale, and not used, where all is seen.
        const uint32_t seen[2] = {notes.columns[own_row], notes.columns[own_row + 8]};
        const uint32_t narrow_tile = Shape::narrow(memory, stage);
        const uint32_t wide_tile = Shape::wide(memory, stage);
        Sums<kColumns> s, ds;
        begin_products();
        multiply_rows<T, kQk, kColumns>(s, narrow, group * 64, narrow_tile);
        commit_products();
        multiply_rows<T, kV, kColumns>(ds, wide, group * 64, wide_tile);
        commit_products();
        finish_products<1>();
        keep(s);
        statistics.template weigh<kColumns>(s, factor, notes);
        if (sees == Seen::kSome) mask<kColumns>(s, seen, 0);
        finish_products<0>();
        keep(ds);
        statistics.template slope<kColumns>(ds, s, notes);
        const Weights<T, kColumns> slopes(ds);
        keep(narrow_sums);
        if constexpr (kOfKeys) {
          const Weights<T, kColumns> weights(s);
          keep(wide_sums);
          begin_products();
          weights.template multiply_summed<kV>(wide_sums, wide_tile);
          slopes.template multiply_summed<kQk>(narrow_sums, narrow_tile);
        } else {
          begin_products();
          slopes.template multiply_summed<kQk>(narrow_sums, narrow_tile);
        }
        commit_products();
        finish_products<0>();
        keep(narrow_sums);
        if constexpr (kOfKeys) keep(wide_sums);
      }
      release(barriers.narrow_free(stage));
      release(barriers.wide_free(stage));
    }
    release(barriers.rows_free(items.stage));
    const float scale[2] = {a.scale, a.scale}, one[2] = {1, 1};
    if constexpr (kOfKeys) {
      write_own_rows<T, kQk>(a.dk, own, narrow_sums, scale, a.later);
      write_own_rows<T, kV>(a.dv, own, wide_sums, one, a.later);
    } else {
      write_own_rows<T, kQk>(a.dq, own, narrow_sums, scale, a.later);
    }
  }
}

template <class T, int kQk, int kV, RowsAre kRowsAre>
__global__ void __launch_bounds__(kSm90Threads, 1)
    attention_backward_sm90_kernel(const __grid_constant__ BackwardArguments<T> a,
                                   const __grid_constant__ Sm90Maps maps) {
  using Shape = BackwardShape<kQk, kV, kRowsAre>;
  extern __shared__ unsigned char dynamic[];
  __shared__ typename Shape::Shared shared;
  const uint32_t memory = first_tile(dynamic, Shape::kAlignment);
  if (threadIdx.x == 0) shared.barriers.make();
  __syncthreads();
  const int warpgroup = static_cast<int>(threadIdx.x) / 128;
  if (warpgroup == kSm90Groups) {
    give_registers_up<Shape::kCopyRegisters>();
    constexpr bool kOfKeys = kRowsAre == RowsAre::kKeys;
    const Sm90Sources<T> from{kOfKeys ? a.k : a.q,
                              kOfKeys ? a.v : a.dy,
                              kOfKeys ? a.q : a.k,
                              kOfKeys ? a.dy : a.v,
                              a.lse,
                              a.delta};
    Producer<Shape, T> producer(a.work, from, maps, &shared, memory);
    if (threadIdx.x % 128 < 32) producer.bring_items();
  } else {
    take_registers<Shape::kComputeRegisters>();
    differentiate_items<T, kQk, kV, kRowsAre>(a, &shared, memory, warpgroup);
  }
}

}  // namespace

template <class T, int kQk, int kV, RowsAre kRowsAre>
void launch_backward_sm90(const BackwardArguments<T>& arguments, const Sm90Maps& maps,
                          int multiprocessors, cudaStream_t stream) {
  constexpr int kBytes = BackwardShape<kQk, kV, kRowsAre>::kBytes;
  const auto kernel = attention_backward_sm90_kernel<T, kQk, kV, kRowsAre>;
  check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kBytes),
        "cudaFuncSetAttribute");
  const unsigned blocks = sm90_blocks(arguments.work, multiprocessors);
  kernel<<<blocks, kSm90Threads, kBytes, stream>>>(arguments, maps);
  check_launch("attention_backward_sm90_kernel");
}

}  // namespace lacuna::cuda::attention
