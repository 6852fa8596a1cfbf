// What the computing warpgroups of the Hopper kernels share: tiles as operands of their products,
// masks, and rows between registers and memory.
#pragma once

#include "attention/producer_sm90.cuh"
#include "device/wgmma.cuh"

namespace lacuna::cuda::attention {

/// The sums of a warpgroup's 64 rows times kColumns columns, a thread's share: rows l / 4 and
/// l / 4 + 8 of its warp's 16, in each 8 columns 2.
template <int kColumns>
using Sums = float[kColumns / 8][4];

/// The swizzle of a tile's rows.
template <int kWidth>
inline constexpr Swizzle kSwizzleOf = kPanelWidth<kWidth> == 64 ? Swizzle::k128 : Swizzle::k64;

/// A tile of kRows rows as an operand. The address lies in the lowest bits of a matrix descriptor,
/// in units of 16 bytes: other parts of the tile follow by adding.
template <int kWidth, int kRows>
class TileOperand {
 public:
  __device__ explicit TileOperand(uint32_t tile)
      : rows_(matrix_descriptor<kSwizzleOf<kWidth>>(tile, 8 * kRowBytes, 0)),
        summed_(matrix_descriptor<kSwizzleOf<kWidth>>(tile, 8 * kRowBytes, kRows * kRowBytes)) {}

  /// The tile's rows are rows or columns of the product (q and k of q k^T): those from `row` on, 16
  /// of the elements that it sums over, from 16 * step on.
  __device__ uint64_t rows(int step, int row = 0) const {
    constexpr int kSteps = kPanel / 16;
    const int at = (step / kSteps * kRows + row) * kRowBytes + step % kSteps * 32;
    return rows_ + static_cast<uint32_t>(at >> 4);
  }
  /// The product sums over the tile's rows (v of p v): 16 of them, from 16 * step on.
  __device__ uint64_t summed(int step) const {
    return summed_ + static_cast<uint32_t>(step * 16 * kRowBytes >> 4);
  }

 private:
  static constexpr int kPanel = kPanelWidth<kWidth>, kRowBytes = kPanel * 2;
  uint64_t rows_, summed_;
};

/// sums = (64 rows of an item's tile, from `row` on) * (the kColumns rows of another tile)^T. The
/// rows stay in shared memory: ptxas before 13.3 may write over left operands in registers that
/// outlive a product.
template <class T, int kWidth, int kColumns, int kRows = kSm90Rows>
__device__ inline void multiply_rows(Sums<kColumns>& sums, uint32_t tile, int row, uint32_t other) {
  const TileOperand<kWidth, kRows> rows(tile);
  const TileOperand<kWidth, kColumns> columns(other);
#pragma unroll
  for (int step = 0; step < kWidth / 16; ++step) {
    if (step == 0) {
      multiply_shared<T, false>(sums, rows.rows(step, row), columns.rows(step));
    } else {
      multiply_shared<T, true>(sums, rows.rows(step, row), columns.rows(step));
    }
  }
}

/// The same for a tile that has just these 64 rows.
template <class T, int kWidth, int kColumns>
__device__ inline void multiply_rows(Sums<kColumns>& sums, uint32_t tile, uint32_t other) {
  multiply_rows<T, kWidth, kColumns, 64>(sums, tile, 0, other);
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
  /// sums += weights * (the kColumns rows of a tile).
  template <int kWidth>
  __device__ void multiply_summed(Sums<kWidth>& sums, uint32_t tile) const {
    const TileOperand<kWidth, kColumns> rows(tile);
#pragma unroll
    for (int step = 0; step < kColumns / 16; ++step) {
      multiply<T, true, true>(sums, fragments[step], rows.summed(step));
    }
  }
};

/// Ones in the low n bits; n in [0, 32].
__device__ inline uint32_t low_bits(int32_t n) {
  return ~__funnelshift_lc(0, ~0u, static_cast<uint32_t>(n));
}

/// What a thread's two rows do not see of a tile becomes `value`; `seen` are their TileNotes.
template <int kColumns>
__device__ inline void mask(Sums<kColumns>& x, const uint32_t (&seen)[2], float value) {
  const int own = static_cast<int>(threadIdx.x) % 4 * 2;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const auto begin = static_cast<int32_t>(seen[half] & 0xFFFF);
    const auto end = static_cast<int32_t>(seen[half] >> 16);
#pragma unroll
    for (int part = 0; part < kColumns / 32; ++part) {
      const int32_t first = min(max(begin - part * 32, 0), 32);
      const int32_t last = min(max(end - part * 32, 0), 32);
      const uint32_t bits = (low_bits(last) & ~low_bits(first)) >> own;
#pragma unroll
      for (int i = 0; i < 8; ++i) {
        float& element = x[part * 4 + i / 2][half * 2 + i % 2];
        if ((bits & 1u << (i / 2 * 8 + i % 2)) == 0) element = value;
      }
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

/// A thread's two rows of an item, 64 of which are its warpgroup's.
struct OwnRows {
  int32_t position[2];  // -1: there is no such row
  HeadPlace head;

  __device__ OwnRows(const ItemNotes& item, int row)
      : position{item.positions[row], item.positions[row + 8]}, head(item.head) {}

  /// The row of a tensor; not to be touched if it does not exist.
  template <class T>
  __device__ T* in(const Rows<T>& x, int half) const {
    return x.data + head.batch * x.batch + head.head * x.head +
           static_cast<int64_t>(max(position[half], 0)) * x.position;
  }
  /// Its place among [batch, heads, length].
  __device__ int64_t statistic(const Work& work, int half) const {
    return (static_cast<int64_t>(head.batch) * work.heads + head.head) * work.length +
           max(position[half], 0);
  }
};

/// The thread's share of four chunks of a row, from chunk `first` on: words[i] of chunk first + i,
/// zeros without a row. All threads of a warp call it.
template <class T>
__device__ inline void load_words(uint32_t (&words)[4], const T* row, bool exists, int first) {
  uint4 x = make_uint4(0, 0, 0, 0);
  if (exists) x = reinterpret_cast<const uint4*>(row)[first + static_cast<int>(threadIdx.x) % 4];
  words[0] = x.x, words[1] = x.y, words[2] = x.z, words[3] = x.w;
  exchange(words);
}

/// Adds 8 elements to those in memory, rounded once more, without waiting for them. Nobody else
/// adds to them meanwhile, so the order is settled.
template <class T>
__device__ inline void add_words(T* to, const uint32_t (&words)[4]) {
  if constexpr (std::is_same_v<T, __nv_bfloat16>) {
    asm volatile("red.relaxed.gpu.global.add.noftz.v4.bf16x2 [%0], {%1, %2, %3, %4};" ::"l"(to),
                 "r"(words[0]), "r"(words[1]), "r"(words[2]), "r"(words[3])
                 : "memory");
  } else {
    asm volatile("red.relaxed.gpu.global.add.noftz.v4.f16x2 [%0], {%1, %2, %3, %4};" ::"l"(to),
                 "r"(words[0]), "r"(words[1]), "r"(words[2]), "r"(words[3])
                 : "memory");
  }
}

/// Writes a thread's share of its rows, times `factor`, rounded; adds to what is there if `later`.
template <class T, int kWidth>
__device__ inline void write_own_rows(const Rows<T>& to, const OwnRows& own,
                                      const Sums<kWidth>& sums, const float (&factor)[2],
                                      bool later) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    T* row = own.in(to, half);
#pragma unroll
    for (int n = 0; n < kWidth / 8; n += 4) {
      uint32_t words[4];
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const float* pair = &sums[n + i][2 * half];
        words[i] = pack<T>(pair[0] * factor[half], pair[1] * factor[half]);
      }
      exchange(words);
      if (own.position[half] < 0) continue;
      T* chunk = row + (n + static_cast<int>(threadIdx.x) % 4) * 8;
      if (later) {
        add_words<T>(chunk, words);
      } else {
        *reinterpret_cast<uint4*>(chunk) = make_uint4(words[0], words[1], words[2], words[3]);
      }
    }
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
