// Gradients of the queries. Rows are queries, as in the forward pass; the weights are made again
// from the logits and lse:
//   p = exp(scale q k^T - lse),  ds = p * (dy v^T - delta),  dq = scale ds k
// In the first stage delta = rowsum(dy * y) is computed here too, as dy is at hand.
// A block of four warps takes one item; q and dy of a warp's rows are left fragments, K and V come
// in tiles of 64 rows, of which 32 at a time are worked on. A row adds in the order of the columns
// whatever the GPU does, so the result is the same each time; a later stage adds to dq.
// Moves q, k, v, y, dy and dq once, lse and delta. Measured with the kernel of the keys, H100,
// bf16, 2026-11-27: seven products for fixed(128, 32) at B 4, H 8, T 12288, D 64 in 2.17 ms, 257
// TFLOP/s, 33 % of the measured matrix rate (791).
#pragma once

#include "attention/backward_tile.cuh"
#include "queue.h"

namespace lacuna::cuda::attention {
namespace {

template <int kQk, int kV>
struct QueriesShape {
  static constexpr int kFragments = kQueryFragments<kQk, kV>;
  static constexpr bool kKept = kFragments * (kQk + kV) <= 192;
  static constexpr int kGroupRows = 16 * kFragments;
  static constexpr int kRows = kGroups * kGroupRows;
  static constexpr int kQBytes = kRows * kQk * 2, kRowBytes = kRows * (kQk + kV) * 2;
  static constexpr int kKeyBytes = kColumnTile * kQk * 2;
  static constexpr int kStageBytes = kColumnTile * (kQk + kV) * 2;
  static constexpr int kBytes = kRowBytes + 2 * kStageBytes;
  static_assert(kRows * kV * 2 <= kStageBytes);  // y has room in a stage
};

/// delta = rowsum(dy * y) of the rows of a block, from tiles; rows that do not exist get 0.
template <int kRows, int kV, class T>
__device__ inline void sum_rows(float* deltas, uint32_t y_tile, uint32_t dy_tile) {
  constexpr int kParts = kThreads / kRows;  // threads a row
  const int row = static_cast<int>(threadIdx.x) / kParts;
  float sum = 0;
#pragma unroll
  for (int i = 0; i < kV / 8 / kParts; ++i) {
    const int chunk = i * kParts + static_cast<int>(threadIdx.x) % kParts;
    const uint4 y = load_chunk(y_tile + chunk_at<kV>(row, chunk));
    const uint4 dy = load_chunk(dy_tile + chunk_at<kV>(row, chunk));
    const uint32_t a[4] = {y.x, y.y, y.z, y.w}, b[4] = {dy.x, dy.y, dy.z, dy.w};
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const float2 left = unpack<T>(a[j]), right = unpack<T>(b[j]);
      sum += left.x * right.x + left.y * right.y;
    }
  }
  if (kParts == 2) sum += __shfl_xor_sync(~0u, sum, 1);
  if (threadIdx.x % kParts == 0) deltas[row] = sum;
}

template <class T, int kQk, int kV>
__global__ void __launch_bounds__(kThreads, kQueryBlocks<kQk, kV>)
    attention_backward_queries_kernel(const __grid_constant__ BackwardArguments<T> a) {
  using Shape = QueriesShape<kQk, kV>;
  constexpr int kFragments = Shape::kFragments, kGroupRows = Shape::kGroupRows;
  extern __shared__ __align__(128) unsigned char memory[];
  __shared__ int32_t positions[Shape::kRows];
  __shared__ Span spans[Shape::kRows];
  __shared__ float deltas[Shape::kRows];
  const uint32_t own_q = shared_address(memory), own_dy = own_q + Shape::kQBytes;
  const uint32_t tiles = own_q + Shape::kRowBytes;
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
  const uint32_t own_y = tiles + Shape::kStageBytes;  // free until the walk begins
  const auto load_rows = [&](const auto& position) {
    copy_rows<Shape::kRows, kQk>(own_q, a.q, rows.batch, head, position);
    copy_rows<Shape::kRows, kV>(own_dy, a.dy, rows.batch, head, position);
    if (a.writes_delta) copy_rows<Shape::kRows, kV>(own_y, a.y, rows.batch, head, position);
  };
  const Cursor first =
      begin_item<Shape::kRows, kGroupRows>(a.work, rows, positions, load, load_rows);
  const int64_t statistics =
      (static_cast<int64_t>(rows.batch) * a.work.heads + head) * a.work.length;
  if (a.writes_delta) {
    sum_rows<Shape::kRows, kV, T>(deltas, own_y, own_dy);
    __syncthreads();
    const int row = static_cast<int>(threadIdx.x);
    if (row < Shape::kRows && positions[row] >= 0) {
      a.delta[statistics + positions[row]] = deltas[row];
    }
  }

  LeftTile<T, kQk, kFragments, Shape::kKept> q(own_q, warp * kGroupRows);
  LeftTile<T, kV, kFragments, Shape::kKept> dy(own_dy, warp * kGroupRows);
  float dq[kFragments][kQk / 8][4] = {};
  float shift[kFragments][2], delta[kFragments][2];
#pragma unroll
  for (int m = 0; m < kFragments; ++m) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int row = warp * kGroupRows + m * 16 + half * 8 + lane / 4;
      const int32_t at = positions[row];
      shift[m][half] = at < 0 ? 0 : a.lse[statistics + at] * kLog2E;
      delta[m][half] = a.writes_delta ? deltas[row] : at < 0 ? 0 : a.delta[statistics + at];
    }
  }
  const float factor = a.scale * kLog2E;

  const auto compute = [&](const Cursor& at, int stage, const VisibleColumns& visible) {
    const uint32_t k = tiles + static_cast<uint32_t>(stage * Shape::kStageBytes);
    const uint32_t v = k + Shape::kKeyBytes;
#pragma unroll 1
    for (int row = 0; row < kColumnTile; row += 32) {
      const int32_t column = at.column + row;
      if (!visible.sees(column, column + 32)) continue;
      float s[kFragments][4][4] = {}, ds[kFragments][4][4] = {};
      multiply_rows(s, q, k, row);
      multiply_rows(ds, dy, v, row);
#pragma unroll
      for (int m = 0; m < kFragments; ++m) {
#pragma unroll
        for (int n = 0; n < 4; ++n) {
#pragma unroll
          for (int e = 0; e < 4; ++e) {
            s[m][n][e] = exp2_fast(s[m][n][e] * factor - shift[m][e / 2]);
          }
        }
      }
      if (!visible.sees_all(column, column + 32)) {
        mask_weights(s, spans + warp * kGroupRows, column);
      }
#pragma unroll
      for (int m = 0; m < kFragments; ++m) {
#pragma unroll
        for (int n = 0; n < 4; ++n) {
#pragma unroll
          for (int e = 0; e < 4; ++e) {
            ds[m][n][e] = s[m][n][e] * (ds[m][n][e] - delta[m][e / 2]);
          }
        }
      }
      add_product<T, kQk>(dq, ds, k, row);
    }
  };
  walk_tiles<kGroupRows>(a.work, rows, first, positions, spans, load, compute);

  __syncwarp();  // fragments that are not kept were read where the sums now go
#pragma unroll
  for (int m = 0; m < kFragments; ++m) {
    stage_sums<kQk, T>(own_q, warp * kGroupRows + m * 16, dq[m], a.scale, a.scale);
  }
  __syncwarp();
  write_rows<kGroupRows, kQk>(a.dq, rows.batch, head, own_q, warp * kGroupRows, positions, a.later);
}

}  // namespace

template <class T, int kQk, int kV>
void launch_backward_queries(const BackwardArguments<T>& arguments, cudaStream_t stream) {
  constexpr int kBytes = QueriesShape<kQk, kV>::kBytes;
  const auto kernel = attention_backward_queries_kernel<T, kQk, kV>;
  check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kBytes),
        "cudaFuncSetAttribute");
  const auto blocks = static_cast<unsigned>(arguments.work.count * arguments.work.batch);
  kernel<<<blocks, kThreads, kBytes, stream>>>(arguments);
  check_launch("attention_backward_queries_kernel");
}

}  // namespace lacuna::cuda::attention
