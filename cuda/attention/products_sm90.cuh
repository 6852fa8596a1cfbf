// What the computing warpgroups of the Hopper kernels share: tiles as operands of their products,
// masks, and rows between registers and memory.
#pragma once

#include "attention/items_sm90.cuh"
#include "device/wgmma.cuh"

namespace lacuna::cuda::attention {

/// The sums of a warpgroup's 64 rows times kColumns columns, a thread's share: rows l / 4 and
/// l / 4 + 8 of its warp's 16, in each 8 columns 2.
template <int kColumns>
using Sums = float[kColumns / 8][4];

/// The swizzle of a tile's rows.
template <int kWidth>
inline constexpr Swizzle kSwizzleOf = kPanelWidth<kWidth> == 64 ? Swizzle::k128 : Swizzle::k64;

/// What all threads of a warp have; tells the compiler so.
template <class T>
__device__ inline T warp_uniform(T x) {
  return static_cast<T>(__shfl_sync(~0u, static_cast<int>(x), 0));
}

/// A tile of kRows rows as an operand. The address lies in the lowest bits of a matrix descriptor,
/// in units of 16 bytes: other parts of the tile follow by adding.
template <int kWidth, int kRows>
class TileOperand {
 public:
  __device__ explicit TileOperand(uint32_t tile)
      : address_(static_cast<uint32_t>(matrix_descriptor<kSwizzleOf<kWidth>>(tile, 0, 0))) {}

  /// The tile's rows are rows or columns of the product (q and k of q k^T): those from `row` on, 16
  /// of the elements that it sums over, from 16 * step on.
  __device__ uint64_t rows(int step, int row = 0) const {
    constexpr int kSteps = kPanel / 16;
    const int at = (step / kSteps * kRows + row) * kRowBytes + step % kSteps * 32;
    return with_address<0>(at);
  }
  /// The product sums over the tile's rows (v of p v): 16 of them, from 16 * step on.
  __device__ uint64_t summed(int step) const {
    return with_address<kRows * kRowBytes>(step * 16 * kRowBytes);
  }

 private:
  static constexpr int kPanel = kPanelWidth<kWidth>, kRowBytes = kPanel * 2;

  /// The address never carries beyond its bits.
  template <int kPanelBytes>
  __device__ uint64_t with_address(int bytes) const {
    constexpr uint64_t kRest = matrix_descriptor<kSwizzleOf<kWidth>>(0, 8 * kRowBytes, kPanelBytes);
    const uint32_t low =
        address_ + (static_cast<uint32_t>(kRest) + static_cast<uint32_t>(bytes >> 4));
    return kRest >> 32 << 32 | low;
  }
  uint32_t address_;
};

/// sums = (64 rows of a tile of kRows, from `row` on) * (kColumns rows of another tile of
/// kOtherRows, from `column` on)^T. The rows stay in shared memory: ptxas before 13.3 may write
/// over left operands in registers that outlive a product.
template <class T, int kWidth, int kRows, int kOtherRows, int kColumns>
__device__ inline void multiply_rows(Sums<kColumns>& sums, uint32_t tile, int row, uint32_t other,
                                     int column) {
  const TileOperand<kWidth, kRows> rows(tile);
  const TileOperand<kWidth, kOtherRows> columns(other);
#pragma unroll
  for (int step = 0; step < kWidth / 16; ++step) {
    if (step == 0) {
      multiply_shared<T, false, false>(sums, rows.rows(step, row), columns.rows(step, column));
    } else {
      multiply_shared<T, false, true>(sums, rows.rows(step, row), columns.rows(step, column));
    }
  }
}

/// sums += (a tile of 64 x 64 elements)^T * (a tile of 64 rows).
template <class T, int kWidth>
__device__ inline void multiply_transposed(Sums<kWidth>& sums, uint32_t square, uint32_t tile) {
  const TileOperand<64, 64> left(square);
  const TileOperand<kWidth, 64> right(tile);
#pragma unroll
  for (int step = 0; step < 4; ++step) {
    multiply_shared<T, true, true>(sums, left.summed(step), right.summed(step));
  }
}

/// Rounded, as left operands of products that sum over the columns.
template <class T, int kColumns>
struct Weights {
  uint32_t fragments[kColumns / 16][4];

  __device__ explicit Weights(const Sums<kColumns>& x) {
#pragma unroll
    for (int step = 0; step < kColumns / 16; ++step) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const float* pair = &x[2 * step + i / 2][i % 2 * 2];
        fragments[step][i] = pack<T>(pair[0], pair[1]);
      }
    }
  }
  /// Writes them to a tile of 64 x 64 elements, from `column` on.
  __device__ void store(uint32_t square, int column) const {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const int row = static_cast<int>(threadIdx.x) % 128 / 32 * 16 + lane % 16;
#pragma unroll
    for (int step = 0; step < kColumns / 16; ++step) {
      const int chunk = column / 8 + 2 * step + lane / 16;
      store_matrices(square + panel_chunk_at<64, 64>(row, chunk), fragments[step]);
    }
  }
  /// sums += weights * (kColumns rows of a tile of kRows, from `first` on).
  template <int kWidth, int kRows>
  __device__ void multiply_summed(Sums<kWidth>& sums, uint32_t tile, int first = 0) const {
    const TileOperand<kWidth, kRows> rows(tile);
#pragma unroll
    for (int step = 0; step < kColumns / 16; ++step) {
      multiply<T>(sums, fragments[step], rows.summed(first / 16 + step));
    }
  }
};

/// Ones in the low n bits; n in [0, 32].
__device__ inline uint32_t low_bits(int32_t n) {
  return ~__funnelshift_lc(0, ~0u, static_cast<uint32_t>(n));
}

/// Of the columns of a tile that a thread has, in their order, those before column `end`.
__device__ inline int32_t own_columns_before(int32_t end) {
  const int32_t beyond = end + 6 - static_cast<int>(threadIdx.x) % 4 * 2;
  return (beyond >> 3) + (beyond + 1 >> 3);  // even ones, odd ones
}

/// What a thread's two rows do not see of a tile becomes `value`. `seen`: the first column that
/// each sees, and 16 bits higher the one past the last.
template <int kColumns>
__device__ inline void mask(Sums<kColumns>& x, const uint32_t (&seen)[2], float value) {
  static_assert(kColumns / 4 <= 32);
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const uint32_t begin = seen[half] & 0xFFFF, end = seen[half] >> 16;
    // One bit for each element, next to each other: a few instructions make them predicates.
    const uint32_t bits = low_bits(own_columns_before(static_cast<int32_t>(end))) &
                          ~low_bits(own_columns_before(static_cast<int32_t>(begin)));
#pragma unroll
    for (int i = 0; i < kColumns / 4; ++i) {
      if ((bits & 1u << i) == 0) x[i / 2][half * 2 + i % 2] = value;
    }
  }
}

template <int kColumns>
__device__ inline void clear(Sums<kColumns>& sums) {
#pragma unroll
  for (int n = 0; n < kColumns / 8; ++n) {
#pragma unroll
    for (int e = 0; e < 4; ++e) sums[n][e] = 0;
  }
}

/// Over the four threads that share a row.
__device__ inline float row_sum(float x) {
  x += __shfl_xor_sync(~0u, x, 1);
  return x + __shfl_xor_sync(~0u, x, 2);
}

/// A thread's two rows of an item, 64 of which are its warpgroup's.
struct OwnRows {
  int32_t position[2];  // -1: there is no such row
  HeadPlace head;

  __device__ OwnRows(const ItemNotes& item, int row)
      : position{item.positions[row], item.positions[row + 8]}, head(item.head) {}

  /// The row of a tensor; not to be touched if it does not exist.
  template <class T>
  __device__ T* in(const Rows<T>& x, int half) const {
    return x.data + head.batch * x.batch + int64_t{head.head} * x.head +
           static_cast<int64_t>(max(position[half], 0)) * x.position;
  }
  /// Its place among [batch, heads, length].
  __device__ int64_t statistic(const Work& work, int half) const {
    return (static_cast<int64_t>(head.batch) * work.heads + head.head) * work.length +
           max(position[half], 0);
  }
};

/// Adds 4 elements to those in memory, rounded once more, without waiting for them. Nobody else
/// adds to them meanwhile, so the order is settled.
template <class T>
__device__ inline void add_words(T* to, uint2 words) {
  if constexpr (std::is_same_v<T, __nv_bfloat16>) {
    asm volatile("red.relaxed.gpu.global.add.noftz.v2.bf16x2 [%0], {%1, %2};" ::"l"(to),
                 "r"(words.x), "r"(words.y)
                 : "memory");
  } else {
    asm volatile("red.relaxed.gpu.global.add.noftz.v2.f16x2 [%0], {%1, %2};" ::"l"(to),
                 "r"(words.x), "r"(words.y)
                 : "memory");
  }
}

/// Writes a thread's share of one row, `half` of its sums, times `factor`, rounded; adds to what is
/// there if `later`. Pairs of threads swap words first so that a warp writes 32 bytes of a row at a
/// time, which is what memory moves.
template <class T, int kWidth>
__device__ inline void write_row(T* row, bool exists, const Sums<kWidth>& sums, int half,
                                 float factor = 1, bool later = false) {
  const bool odd = threadIdx.x % 2 != 0;
  T* to = row + (odd ? 8 : 0) + threadIdx.x % 4 / 2 * 4;
#pragma unroll
  for (int n = 0; n < kWidth / 8; n += 2) {
    const float *even_pair = &sums[n][2 * half], *odd_pair = &sums[n + 1][2 * half];
    const uint32_t first = pack<T>(even_pair[0] * factor, even_pair[1] * factor);
    const uint32_t second = pack<T>(odd_pair[0] * factor, odd_pair[1] * factor);
    const uint32_t got = __shfl_xor_sync(~0u, odd ? first : second, 1);
    const uint2 both = odd ? make_uint2(got, second) : make_uint2(first, got);
    if (!exists) continue;
    if (later) {
      add_words<T>(to + n * 8, both);
    } else {
      *reinterpret_cast<uint2*>(to + n * 8) = both;
    }
  }
}

/// Both rows of a thread.
template <class T, int kWidth>
__device__ inline void write_own_rows(const Rows<T>& to, const OwnRows& own,
                                      const Sums<kWidth>& sums, float factor, bool later) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    write_row<T, kWidth>(own.in(to, half), own.position[half] >= 0, sums, half, factor, later);
  }
}

/// Where the tiles of a block begin in its dynamic shared memory.
__device__ inline uint32_t first_tile(const void* dynamic, uint32_t alignment) {
  return (shared_address(dynamic) + alignment - 1) / alignment * alignment;
}

/// Blocks of a persistent launch that fills `places`.
inline unsigned sm90_blocks(const Work& work, int places) {
  const int64_t items = work.count * work.batch;
  return static_cast<unsigned>(items < places ? items : places);
}

}  // namespace lacuna::cuda::attention
