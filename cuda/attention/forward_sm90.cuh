// Forward attention on Hopper's tensor cores (wgmma), with a running softmax as in forward.cuh:
//   y_i = sum_j p_ij v_j,  p_ij = exp(scale q_i k_j - lse_i),  lse_i = log sum_j exp(scale q_i k_j)
// One block a multiprocessor, which goes through its share of the items. A warp copies (producer_
// sm90.cuh); two warpgroups compute 64 rows each, every one on its own, so that one exponentiates
// while the other multiplies:
//   load     Q to registers as left fragments; where a later stage goes on, y and lse
//   compute  for each tile of 128 keys: S = Q K^T; the softmax's weights, masked only where a
//            row sees a part of the tile; y += P V
//   finish   y and lse, straight from registers
// Moves q, k, v and y once (k and v again from the L2 cache for each item that sees them) and 4
// bytes of lse a row.
#pragma once

#include "attention/producer_sm90.cuh"
#include "device/wgmma.cuh"
#include "queue.h"

namespace lacuna::cuda::attention {
namespace {

constexpr int kCopyRegisters = 40, kComputeRegisters = 232;  // of a thread

/// A thread's share of 64 rows: two of them, in each 8 columns 2.
template <int kV>
struct RowSums {
  float out[kV / 8][4];
  float top[2], sum[2];  // the highest logit (without scale); the sum of p, this thread's share
};

/// The first product's right operand: 128 rows of K, 16 of their elements from 16 * step on.
template <int kQk>
__device__ inline uint64_t keys_operand(uint32_t tile, int step) {
  constexpr int kPanel = kPanelWidth<kQk>;
  constexpr Swizzle kSwizzle = kPanel == 64 ? Swizzle::k128 : Swizzle::k64;
  constexpr int kSteps = kPanel / 16;
  const auto at =
      static_cast<uint32_t>(step / kSteps * kSm90Columns * kPanel * 2 + step % kSteps * 32);
  return matrix_descriptor<kSwizzle>(tile + at, 8 * kPanel * 2, 0);
}

/// The second one's: 16 rows of V from 16 * step on, all their elements.
template <int kV>
__device__ inline uint64_t values_operand(uint32_t tile, int step) {
  constexpr int kPanel = kPanelWidth<kV>;
  constexpr Swizzle kSwizzle = kPanel == 64 ? Swizzle::k128 : Swizzle::k64;
  return matrix_descriptor<kSwizzle>(tile + static_cast<uint32_t>(step * 16 * kPanel * 2),
                                     8 * kPanel * 2, kSm90Columns * kPanel * 2);
}

/// Bits n of below(n) and higher are zero; n in [0, 32].
__device__ inline uint32_t below(int32_t n) {
  return ~__funnelshift_lc(0, ~0u, static_cast<uint32_t>(n));
}

/// Logits of the columns that a row does not see become minus infinity.
__device__ inline void mask_logits(float (&s)[kSm90Columns / 8][4], const uint32_t (&seen)[2]) {
  const int own = static_cast<int>(threadIdx.x) % 4 * 2;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const auto begin = static_cast<int32_t>(seen[half] & 0xFFFF);
    const auto end = static_cast<int32_t>(seen[half] >> 16);
#pragma unroll
    for (int part = 0; part < kSm90Columns / 32; ++part) {
      const int32_t first = min(max(begin - part * 32, 0), 32);
      const int32_t last = min(max(end - part * 32, 0), 32);
      const uint32_t bits = (below(last) & ~below(first)) >> own;
#pragma unroll
      for (int i = 0; i < 8; ++i) {
        float& x = s[part * 4 + i / 2][half * 2 + i % 2];
        if ((bits & 1u << (i / 2 * 8 + i % 2)) == 0) x = -INFINITY;
      }
    }
  }
}

/// Turns logits into weights relative to the new maximum.
template <int kV>
__device__ inline void online_softmax(float (&s)[kSm90Columns / 8][4], RowSums<kV>* rows,
                                      float factor) {
  float base[2], rescale[2];
  bool higher = false;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    float top = rows->top[half];
#pragma unroll
    for (int n = 0; n < kSm90Columns / 8; ++n) {
      top = fmaxf(top, fmaxf(s[n][2 * half], s[n][2 * half + 1]));
    }
    top = fmaxf(top, __shfl_xor_sync(~0u, top, 1));
    top = fmaxf(top, __shfl_xor_sync(~0u, top, 2));
    higher = higher || top > rows->top[half];
    base[half] = top == -INFINITY ? 0 : top * factor;
    rescale[half] = exp2_fast(rows->top[half] * factor - base[half]);
    rows->top[half] = top;
  }
  if (__any_sync(~0u, higher)) {
#pragma unroll
    for (int n = 0; n < kV / 8; ++n) {
#pragma unroll
      for (int e = 0; e < 4; ++e) rows->out[n][e] *= rescale[e / 2];
    }
    rows->sum[0] *= rescale[0];
    rows->sum[1] *= rescale[1];
  }
#pragma unroll
  for (int n = 0; n < kSm90Columns / 8; ++n) {
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      s[n][e] = exp2_fast(s[n][e] * factor - base[e / 2]);
      rows->sum[e / 2] += s[n][e];
    }
  }
}

/// Lane c of four neighbours has word c of chunks 0 to 3; afterwards it has words 0 to 3 of chunk
/// c. The other way round, too.
__device__ inline void exchange(uint32_t (&words)[4]) {
  const bool odd = threadIdx.x % 2 != 0, high = threadIdx.x % 4 >= 2;
#pragma unroll
  for (int i = 0; i < 4; i += 2) {
    const uint32_t got = __shfl_xor_sync(~0u, odd ? words[i] : words[i + 1], 1);
    (odd ? words[i] : words[i + 1]) = got;
  }
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    const uint32_t got = __shfl_xor_sync(~0u, high ? words[i] : words[i + 2], 2);
    (high ? words[i] : words[i + 2]) = got;
  }
}

/// The rows of this thread in y and lse: those with a position.
template <class T>
struct OwnRows {
  T* y[2];  // nullptr: there is no such row
  float* lse[2];

  __device__ OwnRows(const ForwardArguments<T>& a, const HeadPlace& head,
                     const int32_t (&positions)[2]) {
    const int64_t first =
        (static_cast<int64_t>(head.batch) * a.work.heads + head.head) * a.work.length;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int32_t at = positions[half];
      y[half] = at < 0 ? nullptr
                       : a.y.data + head.batch * a.y.batch + head.head * a.y.head +
                             static_cast<int64_t>(at) * a.y.position;
      lse[half] = a.lse + first + max(at, 0);
    }
  }
};

/// Where an item begins: with nothing, or with what the earlier stages left.
template <class T, int kV>
__device__ inline void begin_rows(RowSums<kV>* rows, const OwnRows<T>& own, float scale,
                                  bool later) {
  const int quarter = static_cast<int>(threadIdx.x) % 4;
#pragma unroll
  for (int n = 0; n < kV / 8; ++n) {
#pragma unroll
    for (int e = 0; e < 4; ++e) rows->out[n][e] = 0;
  }
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const bool goes_on = later && own.y[half] != nullptr;
    const float before = goes_on ? *own.lse[half] : -INFINITY;
    rows->top[half] = before / scale;
    rows->sum[half] = before > -INFINITY && quarter == 0 ? 1 : 0;
    if (!later) continue;  // the same for all threads
#pragma unroll
    for (int n = 0; n < kV / 8; n += 4) {
      uint32_t words[4] = {};
      if (goes_on) {
        const uint4 x = reinterpret_cast<const uint4*>(own.y[half])[n + quarter];
        words[0] = x.x, words[1] = x.y, words[2] = x.z, words[3] = x.w;
      }
      exchange(words);
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const float2 pair = unpack<T>(words[i]);
        rows->out[n + i][2 * half] = pair.x;
        rows->out[n + i][2 * half + 1] = pair.y;
      }
    }
  }
}

template <class T, int kV>
__device__ inline void finish_rows(const RowSums<kV>& rows, const OwnRows<T>& own, float scale) {
  const int quarter = static_cast<int>(threadIdx.x) % 4;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    float sum = rows.sum[half];
    sum += __shfl_xor_sync(~0u, sum, 1);
    sum += __shfl_xor_sync(~0u, sum, 2);
    const float inverse = sum > 0 ? 1 / sum : 0;
    if (quarter == 0 && own.y[half] != nullptr) {
      *own.lse[half] = sum > 0 ? rows.top[half] * scale + __logf(sum) : -INFINITY;
    }
#pragma unroll
    for (int n = 0; n < kV / 8; n += 4) {
      uint32_t words[4];
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        words[i] =
            pack<T>(rows.out[n + i][2 * half] * inverse, rows.out[n + i][2 * half + 1] * inverse);
      }
      exchange(words);
      if (own.y[half] == nullptr) continue;
      reinterpret_cast<uint4*>(own.y[half])[n + quarter] =
          make_uint4(words[0], words[1], words[2], words[3]);
    }
  }
}

/// Says for a warp that it has read what a barrier guards.
__device__ inline void release(uint32_t barrier) {
  __syncwarp();
  if (threadIdx.x % 32 == 0) arrive(barrier);
}

/// All that a computing warpgroup does.
template <class T, int kQk, int kV>
__device__ inline void attend_items(const ForwardArguments<T>& a,
                                    Sm90Shared<Sm90Shape<kQk, kV>::kStages>* shared,
                                    uint32_t memory, int group) {
  using Shape = Sm90Shape<kQk, kV>;
  const auto& barriers = shared->barriers;
  const int row = group * 64 + static_cast<int>(threadIdx.x) % 128 / 32 * 16;  // first of the warp
  const int own_row = row + static_cast<int>(threadIdx.x) % 32 / 4;
  const uint32_t keys = memory + Shape::kRowBytes;
  const uint32_t values = keys + Shape::kStages * Shape::kKeyBytes;
  const float factor = a.scale * kLog2E;
  Ring<Shape::kStages> ring;
  Ring<1> items;
  for (ItemOrder at; at.valid(a.work); at.advance(), items.advance()) {
    await(barriers.rows_full(), items.parity);
    const bool empty = shared->item.empty;
    const HeadPlace head = shared->item.head;
    const int32_t positions[2] = {shared->item.positions[own_row],
                                  shared->item.positions[own_row + 8]};
    uint32_t q[kQk / 16][4];
#pragma unroll
    for (int step = 0; step < kQk / 16; ++step) {
      const int lane = static_cast<int>(threadIdx.x) % 32;
      load_matrices(q[step],
                    memory + panel_chunk_at<kQk, kSm90Rows>(row + lane % 16, 2 * step + lane / 16));
    }
    release(barriers.rows_free());
    const OwnRows<T> own(a, head, positions);
    RowSums<kV> rows;
    begin_rows(&rows, own, a.scale, a.later);

    for (bool last = empty; !last; ring.advance()) {
      const int stage = ring.stage;
      await(barriers.keys_full(stage), ring.parity);
      const TileNotes& notes = shared->tiles[stage];
      const Seen sees = notes.seen[group];
      last = notes.last;
      if (sees == Seen::kNothing) {  // the barriers count every tile, and none before it is full
        release(barriers.keys_free(stage));
        await(barriers.values_full(stage), ring.parity);
        release(barriers.values_free(stage));
        continue;
      }
      const uint32_t seen[2] = {notes.columns[own_row], notes.columns[own_row + 8]};
      float s[kSm90Columns / 8][4];
      begin_products();
#pragma unroll
      for (int step = 0; step < kQk / 16; ++step) {
        const uint32_t tile = keys + static_cast<uint32_t>(stage * Shape::kKeyBytes);
        const uint64_t right = keys_operand<kQk>(tile, step);
        if (step == 0) {
          multiply<T, false, false>(s, q[step], right);
        } else {
          multiply<T, false, true>(s, q[step], right);
        }
      }
      commit_products();
      finish_products<0>();
      keep(s);
      release(barriers.keys_free(stage));

      if (sees == Seen::kSome) mask_logits(s, seen);
      online_softmax<kV>(s, &rows, factor);
      uint32_t p[kSm90Columns / 16][4];
#pragma unroll
      for (int step = 0; step < kSm90Columns / 16; ++step) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          const float* pair = &s[2 * step + i / 2][i % 2 * 2];
          p[step][i] = pack<T>(pair[0], pair[1]);
        }
      }
      await(barriers.values_full(stage), ring.parity);
      keep(rows.out);
      begin_products();
#pragma unroll
      for (int step = 0; step < kSm90Columns / 16; ++step) {
        const uint32_t tile = values + static_cast<uint32_t>(stage * Shape::kValueBytes);
        multiply<T, true, true>(rows.out, p[step], values_operand<kV>(tile, step));
      }
      commit_products();
      finish_products<0>();
      keep(rows.out);
      release(barriers.values_free(stage));
    }
    finish_rows(rows, own, a.scale);
  }
}

template <class T, int kQk, int kV>
__global__ void __launch_bounds__(kSm90Threads, 1)
    attention_forward_sm90_kernel(const __grid_constant__ ForwardArguments<T> a,
                                  const __grid_constant__ Sm90Maps maps) {
  using Shape = Sm90Shape<kQk, kV>;
  extern __shared__ unsigned char dynamic[];
  __shared__ Sm90Shared<Shape::kStages> shared;
  const uint32_t start = shared_address(dynamic) + Shape::kAlignment - 1;
  const uint32_t memory = start - start % Shape::kAlignment;
  if (threadIdx.x == 0) shared.barriers.make();
  __syncthreads();
  const int warpgroup = static_cast<int>(threadIdx.x) / 128;
  if (warpgroup == kSm90Groups) {
    give_registers_up<kCopyRegisters>();
    if (threadIdx.x % 128 < 32) bring_items<T, kQk, kV>(a, maps, &shared, memory);
  } else {
    take_registers<kComputeRegisters>();
    attend_items<T, kQk, kV>(a, &shared, memory, warpgroup);
  }
}

}  // namespace

template <class T, int kQk, int kV>
void launch_forward_sm90(const ForwardArguments<T>& arguments, const Sm90Maps& maps,
                         int multiprocessors, cudaStream_t stream) {
  constexpr int kBytes = Sm90Shape<kQk, kV>::kBytes;
  const auto kernel = attention_forward_sm90_kernel<T, kQk, kV>;
  check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kBytes),
        "cudaFuncSetAttribute");
  const int64_t items = arguments.work.count * arguments.work.batch;
  const auto blocks = static_cast<unsigned>(items < multiprocessors ? items : multiprocessors);
  kernel<<<blocks, kSm90Threads, kBytes, stream>>>(arguments, maps);
  check_launch("attention_forward_sm90_kernel");
}

}  // namespace lacuna::cuda::attention
