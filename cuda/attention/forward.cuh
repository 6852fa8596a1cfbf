// Forward attention on tensor cores with a running softmax (Milakov and Gimelshein 2018; Dao et al.
// 2022). Rows are queries.
//   y_i = sum_j p_ij v_j,  p_ij = exp(scale q_i k_j - lse_i),  lse_i = log sum_j exp(scale q_i k_j)
// A block of four warps takes one item: 64 or 128 queries, 16 or 32 a warp. Q lies in registers as
// left fragments; K and V come in tiles of 64 rows, copied straight from where they are (lanes and
// summaries too) while the tile before is worked on. A warp masks only tiles at the ends of its
// rows' intervals, and there leaves out halves that none of its rows sees. Exponentials are powers
// of two with scale * log2(e) folded in; p is rounded to 16 bits for the second product, its sum is
// not. A later stage goes on from y and lse as they are.
// Moves q, k, v and y once (k and v again from the L2 cache for each item that sees them) and 4
// bytes of lse a row. Measured on an H100, bf16, 2026-11-27: fixed(128, 32) at B 4, H 8, T 12288, D
// 64 makes 232 TFLOP/s over attended pairs, 29 % of the measured matrix rate (791); local(96) at B
// 32, H 2, T 3072, D 64 and 128 moves 1.56 TB/s, 52 % of the measured copy rate. docs/kernels.md
// has more.
#pragma once

#include "attention/tile.cuh"
#include "queue.h"

namespace lacuna::cuda::attention {
namespace {

template <class T, int kQk, int kV>
struct ForwardShape {
  static constexpr int kFragments = kForwardFragments<kQk, kV>;
  static constexpr int kGroupRows = 16 * kFragments;
  static constexpr int kRows = kGroups * kGroupRows;
  static constexpr int kRowBytes = kRows * (kQk > kV ? kQk : kV) * 2;  // q, later y
  static constexpr int kKeyBytes = kColumnTile * kQk * 2;
  static constexpr int kStageBytes = kColumnTile * (kQk + kV) * 2;
  static constexpr int kBytes = kRowBytes + 2 * kStageBytes;
  static_assert(kRows * kV * 2 <= kStageBytes || kV > kQk);
};

/// The state of a warp's rows: sums of p v, the highest logit (without scale) and the sum of p, all
/// relative to it. The sum is this thread's share of the row's.
template <int kFragments, int kV>
struct Softmax {
  float out[kFragments][kV / 8][4];
  float top[kFragments][2], sum[kFragments][2];
};

template <int kColumns, int kFragments>
__device__ inline void mask_logits(float (&s)[kFragments][kColumns / 8][4], const Span* spans,
                                   int32_t column) {
  const int row = static_cast<int>(threadIdx.x) % 32 / 4;
  const int32_t own = column + static_cast<int32_t>(threadIdx.x) % 4 * 2;
#pragma unroll
  for (int m = 0; m < kFragments; ++m) {
    const Span seen[2] = {spans[m * 16 + row], spans[m * 16 + row + 8]};
#pragma unroll
    for (int n = 0; n < kColumns / 8; ++n) {
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        const int32_t at = own + 8 * n + e % 2;
        if (at < seen[e / 2].begin || at >= seen[e / 2].end) s[m][n][e] = -INFINITY;
      }
    }
  }
}

/// Turns logits into weights relative to the new maximum.
template <int kColumns, int kFragments, int kV>
__device__ inline void online_softmax(float (&s)[kFragments][kColumns / 8][4],
                                      Softmax<kFragments, kV>* state, float factor) {
#pragma unroll
  for (int m = 0; m < kFragments; ++m) {
    float base[2], rescale[2];
    bool higher = false;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float top = state->top[m][half];
#pragma unroll
      for (int n = 0; n < kColumns / 8; ++n) {
        top = fmaxf(top, fmaxf(s[m][n][2 * half], s[m][n][2 * half + 1]));
      }
      top = fmaxf(top, __shfl_xor_sync(~0u, top, 1));
      top = fmaxf(top, __shfl_xor_sync(~0u, top, 2));
      higher = higher || top > state->top[m][half];
      base[half] = top == -INFINITY ? 0 : top * factor;
      rescale[half] = exp2_fast(state->top[m][half] * factor - base[half]);
      state->top[m][half] = top;
    }
    if (__any_sync(~0u, higher)) {
#pragma unroll
      for (int n = 0; n < kV / 8; ++n) {
#pragma unroll
        for (int e = 0; e < 4; ++e) state->out[m][n][e] *= rescale[e / 2];
      }
      state->sum[m][0] *= rescale[0];
      state->sum[m][1] *= rescale[1];
    }
#pragma unroll
    for (int n = 0; n < kColumns / 8; ++n) {
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        s[m][n][e] = exp2_fast(s[m][n][e] * factor - base[e / 2]);
        state->sum[m][e / 2] += s[m][n][e];
      }
    }
  }
}

/// kColumns keys from row `row` of the tiles on; with `spans` of the warp's rows, masked by them.
template <int kColumns, class T, int kQk, int kV, int kFragments>
__device__ inline void attend(const uint32_t (&q)[kFragments][kQk / 16][4], uint32_t k, uint32_t v,
                              int row, int32_t column, const Span* spans, float factor,
                              Softmax<kFragments, kV>* state) {
  float s[kFragments][kColumns / 8][4] = {};
#pragma unroll
  for (int step = 0; step < kQk / 16; ++step) {
#pragma unroll
    for (int n = 0; n < kColumns / 16; ++n) {
      uint32_t b[4];
      right_fragment<kQk>(b, k, row + n * 16, step);
#pragma unroll
      for (int m = 0; m < kFragments; ++m) {
        multiply_add<T>(s[m][2 * n], q[m][step], b[0], b[1]);
        multiply_add<T>(s[m][2 * n + 1], q[m][step], b[2], b[3]);
      }
    }
  }
  if (spans != nullptr) mask_logits<kColumns>(s, spans, column);
  online_softmax<kColumns>(s, state, factor);
#pragma unroll
  for (int step = 0; step < kColumns / 16; ++step) {
    uint32_t p[kFragments][4];
#pragma unroll
    for (int m = 0; m < kFragments; ++m) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const float* pair = &s[m][2 * step + i / 2][i % 2 * 2];
        p[m][i] = pack<T>(pair[0], pair[1]);
      }
    }
#pragma unroll
    for (int n = 0; n < kV / 16; ++n) {
      uint32_t b[4];
      right_transposed<kV>(b, v, row + step * 16, n);
#pragma unroll
      for (int m = 0; m < kFragments; ++m) {
        multiply_add<T>(state->out[m][2 * n], p[m], b[0], b[1]);
        multiply_add<T>(state->out[m][2 * n + 1], p[m], b[2], b[3]);
      }
    }
  }
}

template <class T, int kQk, int kV>
__global__ void __launch_bounds__(kThreads, kForwardBlocks<kQk, kV>)
    attention_forward_kernel(const __grid_constant__ ForwardArguments<T> a) {
  using Shape = ForwardShape<T, kQk, kV>;
  constexpr int kFragments = Shape::kFragments, kGroupRows = Shape::kGroupRows;
  extern __shared__ __align__(128) unsigned char memory[];
  __shared__ int32_t positions[Shape::kRows];
  __shared__ Span spans[Shape::kRows];
  const uint32_t own = shared_address(memory), tiles = own + Shape::kRowBytes;
  const ItemRows rows(a.work);
  const int32_t head = rows.item.head;
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const auto load = [&](const Cursor& at, int stage) {
    const uint32_t to = tiles + static_cast<uint32_t>(stage * Shape::kStageBytes);
    const DeviceOrder order = a.work.walks[at.segment.walk].columns;
    copy_columns<kQk>(to, a.k, rows, order, at.segment.lane, at.column, at.segment.end);
    copy_columns<kV>(to + Shape::kKeyBytes, a.v, rows, order, at.segment.lane, at.column,
                     at.segment.end);
  };
  const uint32_t earlier = tiles + Shape::kStageBytes;  // free until the walk begins
  const auto load_rows = [&](const auto& position) {
    copy_rows<Shape::kRows, kQk>(own, a.q, rows.batch, head, position);
    if (!a.later) return;
    const Rows<const T> y{a.y.data, a.y.batch, a.y.position, a.y.head, a.y.width, a.y.wide};
    copy_rows<Shape::kRows, kV>(earlier, y, rows.batch, head, position);
  };
  const Cursor first =
      begin_item<Shape::kRows, kGroupRows>(a.work, rows, positions, load, load_rows);

  uint32_t q[kFragments][kQk / 16][4];
  Softmax<kFragments, kV> state = {};
  float* lse = a.lse + (static_cast<int64_t>(rows.batch) * a.work.heads + head) * a.work.length;
  const float factor = a.scale * kLog2E;
#pragma unroll
  for (int m = 0; m < kFragments; ++m) {
    const int first = warp * kGroupRows + m * 16;
#pragma unroll
    for (int step = 0; step < kQk / 16; ++step) left_fragment<kQk>(q[m][step], own, first, step);
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int32_t position = positions[first + half * 8 + lane / 4];
      state.top[m][half] = -INFINITY;
      if (!a.later || position < 0) continue;
      const float before = lse[position];
      state.top[m][half] = before / a.scale;
      state.sum[m][half] = before > -INFINITY && lane % 4 == 0 ? 1 : 0;
#pragma unroll
      for (int n = 0; n < kV / 8; ++n) {
        uint32_t pair;
        asm volatile("ld.shared.b32 %0, [%1];"
                     : "=r"(pair)
                     : "r"(earlier + chunk_at<kV>(first + half * 8 + lane / 4, n) +
                           static_cast<uint32_t>(lane % 4 * 4))
                     : "memory");
        const float2 y = unpack<T>(pair);
        state.out[m][n][2 * half] = y.x;
        state.out[m][n][2 * half + 1] = y.y;
      }
    }
  }

  const auto compute = [&](const Cursor& at, int stage, const VisibleColumns& visible) {
    const uint32_t k = tiles + static_cast<uint32_t>(stage * Shape::kStageBytes);
    const uint32_t v = k + Shape::kKeyBytes;
    if (visible.sees_all(at.column, at.column + kColumnTile)) {
      attend<kColumnTile, T, kQk, kV>(q, k, v, 0, at.column, nullptr, factor, &state);
      return;
    }
#pragma unroll 1
    for (int row = 0; row < kColumnTile; row += 32) {
      const int32_t column = at.column + row;
      if (!visible.sees(column, column + 32)) continue;
      attend<32, T, kQk, kV>(q, k, v, row, column, spans + warp * kGroupRows, factor, &state);
    }
  };
  walk_tiles<kGroupRows>(a.work, rows, first, positions, spans, load, compute);

  __syncthreads();  // y may be wider than q: its rows lie where others had theirs
#pragma unroll
  for (int m = 0; m < kFragments; ++m) {
    float inverse[2];
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float sum = state.sum[m][half];
      sum += __shfl_xor_sync(~0u, sum, 1);
      sum += __shfl_xor_sync(~0u, sum, 2);
      inverse[half] = sum > 0 ? 1 / sum : 0;
      const int32_t position = positions[warp * kGroupRows + m * 16 + half * 8 + lane / 4];
      if (lane % 4 != 0 || position < 0) continue;
      lse[position] = sum > 0 ? state.top[m][half] * a.scale + __logf(sum) : -INFINITY;
    }
    stage_sums<kV, T>(own, warp * kGroupRows + m * 16, state.out[m], inverse[0], inverse[1]);
  }
  __syncwarp();
  write_rows<kGroupRows, kV>(a.y, rows.batch, head, own, warp * kGroupRows, positions, false);
}

}  // namespace

template <class T, int kQk, int kV>
void launch_forward(const ForwardArguments<T>& arguments, cudaStream_t stream) {
  constexpr int kBytes = ForwardShape<T, kQk, kV>::kBytes;
  const auto kernel = attention_forward_kernel<T, kQk, kV>;
  check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kBytes),
        "cudaFuncSetAttribute");
  const auto blocks = static_cast<unsigned>(arguments.work.count * arguments.work.batch);
  kernel<<<blocks, kThreads, kBytes, stream>>>(arguments);
  check_launch("attention_forward_kernel");
}

}  // namespace lacuna::cuda::attention
