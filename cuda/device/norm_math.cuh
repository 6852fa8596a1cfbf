// The arithmetic of a norm, forward and backward, for the rows of row_layout.cuh, and the sums over
// rows that its gradients are.
#pragma once

#include "norm_rows.cuh"

namespace lacuna::cuda {

/// Sums a and b over the group; every thread of it gets the same bits.
template <class Layout>
__device__ float2 group_sum(const Layout& layout, float a, float b) {
  constexpr int kOfWarp = Layout::kLanes == 16 ? 16 : 32;
  a = warp_sum<kOfWarp>(a);
  b = warp_sum<kOfWarp>(b);
  if (Layout::kLanes > 0) return {a, b};
  __shared__ float2 sums[kMostNormThreads / 32];
  __syncthreads();  // the sums before are read
  if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = {a, b};
  __syncthreads();
  float2 total{0, 0};
  for (int warp = 0; warp < layout.lanes / 32; ++warp) {
    total.x += sums[layout.group * layout.lanes / 32 + warp].x;
    total.y += sums[layout.group * layout.lanes / 32 + warp].y;
  }
  return total;
}

/// y = (x - mean) * rstd * gain + bias; the variance is of x - mean, in a second pass over
/// registers. Outside of the row x is 0.
template <class T, class Layout>
__device__ void normalise_row(const Layout& layout, float* x, const float* gain, const float* bias,
                              float eps, int row, T* y, float* mean, float* rstd) {
  constexpr int kPack = Layout::kPack;
  float sum = 0, squares = 0;
#pragma unroll
  for (int j = 0; j < Layout::kElements; ++j) sum += x[j];
  const float mu = group_sum(layout, sum, 0).x * layout.per_column;
#pragma unroll
  for (int k = 0; k < layout.kPacks; ++k) {
    const float centre = layout.inside(k) ? mu : 0;
#pragma unroll
    for (int i = 0; i < kPack; ++i) {
      x[k * kPack + i] -= centre;
      squares += x[k * kPack + i] * x[k * kPack + i];
    }
  }
  const float variance = group_sum(layout, squares, 0).x * layout.per_column;
  const float inverse = rsqrtf(variance + eps);
#pragma unroll
  for (int j = 0; j < Layout::kElements; ++j) x[j] = x[j] * inverse * gain[j] + bias[j];
  write_row(layout, StoredRow<T, Layout>::rounded(x), y, row);
  if (layout.lane == 0 && layout.has(row)) {
    mean[row] = mu;
    rstd[row] = inverse;
  }
}

/// dx = rstd * (g - mean(g) - xhat * mean(g * xhat)), g = dy * gain, xhat = (x - mean) * rstd; adds
/// to the thread's dgain and dbias.
template <class T, class Layout>
__device__ void normalise_row_backward(const Layout& layout, const StoredRow<T, Layout>& x,
                                       const StoredRow<T, Layout>& dy, const float* gain,
                                       float mean, float rstd, float* dx, float* dgain,
                                       float* dbias) {
  constexpr int kPack = Layout::kPack;
  float sum = 0, dot = 0;
#pragma unroll
  for (int k = 0; k < layout.kPacks; ++k) {
#pragma unroll
    for (int i = 0; i < kPack; ++i) {
      const int j = k * kPack + i;
      const float normal = (x.at(k, i) - mean) * rstd;  // times a dy of 0 outside of the row
      const float g = dy.at(k, i) * gain[j];
      sum += g;
      dot += g * normal;
      dgain[j] += dy.at(k, i) * normal;
      dbias[j] += dy.at(k, i);
    }
  }
  const float2 sums = group_sum(layout, sum, dot);
  const float shift = rstd * sums.x * layout.per_column, slope = rstd * sums.y * layout.per_column;
#pragma unroll
  for (int k = 0; k < layout.kPacks; ++k) {
#pragma unroll
    for (int i = 0; i < kPack; ++i) {
      const int j = k * kPack + i;
      const float normal = (x.at(k, i) - mean) * rstd;
      dx[j] = rstd * (dy.at(k, i) * gain[j]) - shift - normal * slope;
    }
  }
}

/// What the groups of the block have summed per column, added in their order: a to
/// partial[0, width), b to partial[width, 2 width). All threads must call it, after their rows.
template <class Layout>
__device__ void write_column_sums(const Layout& layout, const float* a, const float* b,
                                  float* partial) {
  constexpr int kPack = Layout::kPack;
  if (layout.groups == 1) {
    for (int k = 0; k < layout.kPacks; ++k) {
#pragma unroll
      for (int i = 0; i < kPack; ++i) {
        if (!layout.inside(k)) continue;
        partial[layout.column(k) + i] = a[k * kPack + i];
        partial[layout.width + layout.column(k) + i] = b[k * kPack + i];
      }
    }
    return;
  }
  const int columns = layout.lanes * Layout::kElements;  // of a group
  auto* staged = reinterpret_cast<float*>(norm_shared);
  float* const staged_b = staged + layout.groups * columns;
  asm volatile("cp.async.wait_all;" ::: "memory");
  __syncthreads();  // all rows are read
#pragma unroll
  for (int k = 0; k < layout.kPacks; ++k) {
    const int at = layout.group * columns + layout.column(k);
    Pack<float, kPack> of_a, of_b;
#pragma unroll
    for (int i = 0; i < kPack; ++i) {
      of_a.at[i] = a[k * kPack + i];
      of_b.at[i] = b[k * kPack + i];
    }
    store<kPack>(staged + at, of_a);
    store<kPack>(staged_b + at, of_b);
  }
  __syncthreads();
  for (int j = static_cast<int>(threadIdx.x); j < layout.width; j += layout.threads()) {
    float sum_a = 0, sum_b = 0;
#pragma unroll
    for (int group = 0; group < layout.groups; ++group) {
      sum_a += staged[group * columns + j];
      sum_b += staged_b[group * columns + j];
    }
    partial[j] = sum_a;
    partial[layout.width + j] = sum_b;
  }
}

}  // namespace lacuna::cuda
