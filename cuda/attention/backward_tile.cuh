// The products of the backward kernels: a warp's rows against 32 columns of a tile.
#pragma once

#include "attention/tile.cuh"

namespace lacuna::cuda::attention {

/// Rows of a warp as left fragments, kept in registers where they leave room for the sums.
template <class T, int kWidth, int kFragments, bool kKept>
class LeftTile {
 public:
  __device__ LeftTile(uint32_t tile, int row) : tile_(tile), row_(row) {
    if constexpr (kKept) {
#pragma unroll
      for (int m = 0; m < kFragments; ++m) {
#pragma unroll
        for (int step = 0; step < kWidth / 16; ++step) {
          left_fragment<kWidth>(kept_[m][step], tile, row + m * 16, step);
        }
      }
    }
  }
  __device__ void get(uint32_t (&to)[4], int m, int step) const {
    if constexpr (kKept) {
#pragma unroll
      for (int i = 0; i < 4; ++i) to[i] = kept_[m][step][i];
    } else {
      left_fragment<kWidth>(to, tile_, row_ + m * 16, step);
    }
  }

 private:
  uint32_t tile_;
  int row_;
  uint32_t kept_[kKept ? kFragments : 1][kKept ? kWidth / 16 : 1][4];
};

/// s += left * (rows `row` .. `row` + 31 of the tile)^T.
template <class T, int kWidth, int kFragments, bool kKept>
__device__ inline void multiply_rows(float (&s)[kFragments][4][4],
                                     const LeftTile<T, kWidth, kFragments, kKept>& left,
                                     uint32_t tile, int row) {
#pragma unroll
  for (int step = 0; step < kWidth / 16; ++step) {
    uint32_t a[kFragments][4];
#pragma unroll
    for (int m = 0; m < kFragments; ++m) left.get(a[m], m, step);
#pragma unroll
    for (int n = 0; n < 2; ++n) {
      uint32_t b[4];
      right_fragment<kWidth>(b, tile, row + n * 16, step);
#pragma unroll
      for (int m = 0; m < kFragments; ++m) {
        multiply_add<T>(s[m][2 * n], a[m], b[0], b[1]);
        multiply_add<T>(s[m][2 * n + 1], a[m], b[2], b[3]);
      }
    }
  }
}

/// sums += weights * (rows `row` .. `row` + 31 of the tile); the weights are rounded.
template <class T, int kWidth, int kFragments>
__device__ inline void add_product(float (&sums)[kFragments][kWidth / 8][4],
                                   const float (&weights)[kFragments][4][4], uint32_t tile,
                                   int row) {
#pragma unroll
  for (int step = 0; step < 2; ++step) {
    uint32_t a[kFragments][4];
#pragma unroll
    for (int m = 0; m < kFragments; ++m) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const float* pair = &weights[m][2 * step + i / 2][i % 2 * 2];
        a[m][i] = pack<T>(pair[0], pair[1]);
      }
    }
#pragma unroll
    for (int n = 0; n < kWidth / 16; ++n) {
      uint32_t b[4];
      right_transposed<kWidth>(b, tile, row + step * 16, n);
#pragma unroll
      for (int m = 0; m < kFragments; ++m) {
        multiply_add<T>(sums[m][2 * n], a[m], b[0], b[1]);
        multiply_add<T>(sums[m][2 * n + 1], a[m], b[2], b[3]);
      }
    }
  }
}

/// Weights of the 32 columns from `column` on that a row does not see become zero.
template <int kFragments>
__device__ inline void mask_weights(float (&p)[kFragments][4][4], const Span* spans,
                                    int32_t column) {
  const int row = static_cast<int>(threadIdx.x) % 32 / 4;
  const int32_t own = column + static_cast<int32_t>(threadIdx.x) % 4 * 2;
#pragma unroll
  for (int m = 0; m < kFragments; ++m) {
    const Span seen[2] = {spans[m * 16 + row], spans[m * 16 + row + 8]};
#pragma unroll
    for (int n = 0; n < 4; ++n) {
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        const int32_t at = own + 8 * n + e % 2;
        if (at < seen[e / 2].begin || at >= seen[e / 2].end) p[m][n][e] = 0;
      }
    }
  }
}

}  // namespace lacuna::cuda::attention
