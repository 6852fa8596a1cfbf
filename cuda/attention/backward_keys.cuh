// Gradients of the keys and values. Rows are keys, columns the queries that see them; everything
// is transposed, so that the weights come out as left fragments of the second products:
//   p^T = exp(scale k q^T - lse),  dv = p^T dy,  ds^T = p^T * (v dy^T - delta),  dk = scale ds^T q
// A block of four warps takes one item; k and v of a warp's rows are left fragments, Q and dY come
// in tiles of 64 rows with their lse and delta, of which 32 at a time are worked on. No other block
// adds to the item's rows, so there are no atomics and the result is the same each time; a later
// stage adds to dk and dv. The price is that logits and dp are computed here and for dq: seven
// products where five would do.
// Moves q, k, v, dy, dk and dv once, lse and delta. Measured share: see backward_queries.cuh.
#pragma once

#include "attention/backward_tile.cuh"
#include "queue.h"

namespace lacuna::cuda::attention {
namespace {

template <int kQk, int kV>
struct KeysShape {
  static constexpr int kFragments = kKeyFragments<kQk, kV>;
  static constexpr bool kKept = kFragments * (kQk + kV) <= 128;
  static constexpr int kGroupRows = 16 * kFragments;
  static constexpr int kRows = kGroups * kGroupRows;
  static constexpr int kKBytes = kRows * kQk * 2, kRowBytes = kRows * (kQk + kV) * 2;
  static constexpr int kQueryBytes = kColumnTile * kQk * 2;
  static constexpr int kDeltaAt = kColumnTile * (kQk + kV) * 2 + kColumnTile * 4;
  static constexpr int kLseAt = kDeltaAt - kColumnTile * 4;
  static constexpr int kStageBytes = kDeltaAt + kColumnTile * 4;
  static constexpr int kBytes = kRowBytes + 2 * kStageBytes;
};

/// lse and delta of the columns of a tile.
template <class T>
__device__ inline void copy_statistics(uint32_t lse_tile, uint32_t delta_tile,
                                       const BackwardArguments<T>& a, const ItemRows& rows,
                                       const DeviceOrder& order, const Cursor& at) {
  const int column = static_cast<int>(threadIdx.x) % kColumnTile;
  const int32_t i = at.column + column;
  const bool present = i < at.segment.end;
  const int64_t where =
      (static_cast<int64_t>(rows.batch) * a.work.heads + rows.item.head) * a.work.length +
      (present ? position_of(order, at.segment.lane, i) : 0);
  const bool first = threadIdx.x < kColumnTile;
  copy_async_4((first ? lse_tile : delta_tile) + static_cast<uint32_t>(column * 4),
               (first ? a.lse : a.delta) + where, present);
}

__device__ inline float2 load_pair(uint32_t from) {
  float2 pair;
  asm volatile("ld.shared.v2.f32 {%0,%1}, [%2];" : "=f"(pair.x), "=f"(pair.y) : "r"(from));
  return pair;
}

template <class T, int kQk, int kV>
__global__ void __launch_bounds__(kThreads, kKeyBlocks<kQk, kV>)
    attention_backward_keys_kernel(const __grid_constant__ BackwardArguments<T> a) {
  using Shape = KeysShape<kQk, kV>;
  constexpr int kFragments = Shape::kFragments, kGroupRows = Shape::kGroupRows;
  static_assert(kThreads == 2 * kColumnTile);
  extern __shared__ __align__(128) unsigned char memory[];
  __shared__ int32_t positions[Shape::kRows];
  __shared__ Span spans[Shape::kRows];
  const uint32_t own_k = shared_address(memory), own_v = own_k + Shape::kKBytes;
  const uint32_t tiles = own_k + Shape::kRowBytes;
  const ItemRows rows(a.work);
  const int32_t head = rows.item.head;
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const auto load = [&](const Cursor& at, int stage) {
    const uint32_t to = tiles + static_cast<uint32_t>(stage * Shape::kStageBytes);
    const DeviceOrder order = a.work.walks[at.segment.walk].columns;
    copy_columns<kQk>(to, a.q, rows, order, at.segment.lane, at.column, at.segment.end);
    copy_columns<kV>(to + Shape::kQueryBytes, a.dy, rows, order, at.segment.lane, at.column,
                     at.segment.end);
    copy_statistics(to + Shape::kLseAt, to + Shape::kDeltaAt, a, rows, order, at);
  };
  const auto load_rows = [&](const auto& position) {
    copy_rows<Shape::kRows, kQk>(own_k, a.k, rows.batch, head, position);
    copy_rows<Shape::kRows, kV>(own_v, a.v, rows.batch, head, position);
  };
  const Cursor first =
      begin_item<Shape::kRows, kGroupRows>(a.work, rows, positions, load, load_rows);

  LeftTile<T, kQk, kFragments, Shape::kKept> k(own_k, warp * kGroupRows);
  LeftTile<T, kV, kFragments, Shape::kKept> v(own_v, warp * kGroupRows);
  float dk[kFragments][kQk / 8][4] = {}, dv[kFragments][kV / 8][4] = {};
  const float factor = a.scale * kLog2E;

  const auto compute = [&](const Cursor& at, int stage, const VisibleColumns& visible) {
    const uint32_t q = tiles + static_cast<uint32_t>(stage * Shape::kStageBytes);
    const uint32_t dy = q + Shape::kQueryBytes;
#pragma unroll 1
    for (int row = 0; row < kColumnTile; row += 32) {
      const int32_t column = at.column + row;
      if (!visible.sees(column, column + 32)) continue;
      const uint32_t lse = q + static_cast<uint32_t>(Shape::kLseAt + (row + lane % 4 * 2) * 4);
      float s[kFragments][4][4] = {}, ds[kFragments][4][4] = {};
      multiply_rows(s, k, q, row);
#pragma unroll
      for (int n = 0; n < 4; ++n) {
        const float2 shift = load_pair(lse + static_cast<uint32_t>(n * 32));
        const float by[2] = {shift.x * kLog2E, shift.y * kLog2E};
#pragma unroll
        for (int m = 0; m < kFragments; ++m) {
#pragma unroll
          for (int e = 0; e < 4; ++e) s[m][n][e] = exp2_fast(s[m][n][e] * factor - by[e % 2]);
        }
      }
      if (!visible.sees_all(column, column + 32)) {
        mask_weights(s, spans + warp * kGroupRows, column);
      }
      multiply_rows(ds, v, dy, row);
      add_product<T, kV>(dv, s, dy, row);
#pragma unroll
      for (int n = 0; n < 4; ++n) {
        const float2 delta =
            load_pair(lse + static_cast<uint32_t>(Shape::kDeltaAt - Shape::kLseAt + n * 32));
        const float by[2] = {delta.x, delta.y};
#pragma unroll
        for (int m = 0; m < kFragments; ++m) {
#pragma unroll
          for (int e = 0; e < 4; ++e) ds[m][n][e] = s[m][n][e] * (ds[m][n][e] - by[e % 2]);
        }
      }
      add_product<T, kQk>(dk, ds, q, row);
    }
  };
  walk_tiles<kGroupRows>(a.work, rows, first, positions, spans, load, compute);

  __syncwarp();  // fragments that are not kept were read where the sums now go
#pragma unroll
  for (int m = 0; m < kFragments; ++m) {
    stage_sums<kQk, T>(own_k, warp * kGroupRows + m * 16, dk[m], a.scale, a.scale);
    stage_sums<kV, T>(own_v, warp * kGroupRows + m * 16, dv[m], 1, 1);
  }
  __syncwarp();
  write_rows<kGroupRows, kQk>(a.dk, rows.batch, head, own_k, warp * kGroupRows, positions, a.later);
  write_rows<kGroupRows, kV>(a.dv, rows.batch, head, own_v, warp * kGroupRows, positions, a.later);
}

}  // namespace

template <class T, int kQk, int kV>
void launch_backward_keys(const BackwardArguments<T>& arguments, cudaStream_t stream) {
  constexpr int kBytes = KeysShape<kQk, kV>::kBytes;
  const auto kernel = attention_backward_keys_kernel<T, kQk, kV>;
  check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kBytes),
        "cudaFuncSetAttribute");
  const auto blocks = static_cast<unsigned>(arguments.work.count * arguments.work.batch);
  kernel<<<blocks, kThreads, kBytes, stream>>>(arguments);
  check_launch("attention_backward_keys_kernel");
}

}  // namespace lacuna::cuda::attention
