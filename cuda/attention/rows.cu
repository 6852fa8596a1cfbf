// What is done to every row of a tensor [B, T, H, D], whatever the pattern:
//   delta[b, h, t] = sum_d dy * y (reads y and dy once, 16 bytes a lane, 8 lanes a row) where the
//   kernel of the queries does not compute it, and the zeros and minus infinities where the passes
//   leave positions out.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "attention/arguments.h"
#include "queue.h"

namespace lacuna::cuda::attention {
namespace {

constexpr int kLanes = 8;  // a row
constexpr int kBlock = 256;

struct RowAddress {
  int64_t batch, position, head;
  __device__ RowAddress(const Extent& extent, int64_t row)
      : batch(row / extent.heads / extent.length),
        position(row / extent.heads % extent.length),
        head(row % extent.heads) {}
  template <class T>
  __device__ T* in(const Rows<T>& x) const {
    return x.data + batch * x.batch + position * int64_t{x.position} + head * x.head;
  }
};

__device__ inline int64_t own_row() {
  return (static_cast<int64_t>(blockIdx.x) * kBlock + threadIdx.x) / kLanes;
}

template <class T>
__global__ void __launch_bounds__(kBlock)
    attention_delta_kernel(Extent extent, Rows<const T> y, Rows<const T> dy, float* delta) {
  constexpr int kChunk = 16 / sizeof(T);
  const int64_t row = own_row();
  const bool exists = row < static_cast<int64_t>(extent.batch) * extent.length * extent.heads;
  const RowAddress at(extent, exists ? row : 0);
  const int lane = static_cast<int>(threadIdx.x) % kLanes;
  const T *a = at.in(y), *b = at.in(dy);
  float sum = 0;
  for (int first = lane * kChunk; first < y.width; first += kLanes * kChunk) {
    T x[kChunk], dx[kChunk];
    if (y.wide && dy.wide) {
      *reinterpret_cast<uint4*>(x) = *reinterpret_cast<const uint4*>(a + first);
      *reinterpret_cast<uint4*>(dx) = *reinterpret_cast<const uint4*>(b + first);
    } else {
#pragma unroll
      for (int i = 0; i < kChunk; ++i) {
        x[i] = first + i < y.width ? a[first + i] : T(0.0f);
        dx[i] = first + i < y.width ? b[first + i] : T(0.0f);
      }
    }
#pragma unroll
    for (int i = 0; i < kChunk; ++i) sum += static_cast<float>(x[i]) * static_cast<float>(dx[i]);
  }
#pragma unroll
  for (int step = kLanes / 2; step > 0; step /= 2) sum += __shfl_xor_sync(~0u, sum, step);
  if (exists && lane == 0)
    delta[(at.batch * extent.heads + at.head) * extent.length + at.position] = sum;
}

template <class T>
__global__ void __launch_bounds__(kBlock) attention_clear_kernel(Extent extent, Rows<T> x) {
  const int64_t row = own_row();
  if (row >= static_cast<int64_t>(extent.batch) * extent.length * extent.heads) return;
  T* to = RowAddress(extent, row).in(x);
  for (int i = static_cast<int>(threadIdx.x) % kLanes; i < x.width; i += kLanes) to[i] = T(0.0f);
}

__global__ void __launch_bounds__(kBlock) attention_clear_lse_kernel(int64_t count, float* lse) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kBlock + threadIdx.x;
  if (i < count) lse[i] = -INFINITY;
}

int64_t rows_of(const Extent& extent) {
  return static_cast<int64_t>(extent.batch) * extent.length * extent.heads;
}
unsigned blocks_for(int64_t threads) {
  return static_cast<unsigned>((threads + kBlock - 1) / kBlock);
}

}  // namespace

template <class T>
void launch_delta(Extent extent, const Rows<const T>& y, const Rows<const T>& dy, float* delta,
                  cudaStream_t stream) {
  attention_delta_kernel<T>
      <<<blocks_for(rows_of(extent) * kLanes), kBlock, 0, stream>>>(extent, y, dy, delta);
  check_launch("attention_delta_kernel");
}

template <class T>
void launch_clear(Extent extent, const Rows<T>& x, cudaStream_t stream) {
  attention_clear_kernel<T><<<blocks_for(rows_of(extent) * kLanes), kBlock, 0, stream>>>(extent, x);
  check_launch("attention_clear_kernel");
}

void launch_clear_lse(Extent extent, float* lse, cudaStream_t stream) {
  attention_clear_lse_kernel<<<blocks_for(rows_of(extent)), kBlock, 0, stream>>>(rows_of(extent),
                                                                                 lse);
  check_launch("attention_clear_lse_kernel");
}

template void launch_delta(Extent, const Rows<const float>&, const Rows<const float>&, float*,
                           cudaStream_t);
template void launch_delta(Extent, const Rows<const __nv_bfloat16>&,
                           const Rows<const __nv_bfloat16>&, float*, cudaStream_t);
template void launch_delta(Extent, const Rows<const __half>&, const Rows<const __half>&, float*,
                           cudaStream_t);
template void launch_clear(Extent, const Rows<float>&, cudaStream_t);
template void launch_clear(Extent, const Rows<__nv_bfloat16>&, cudaStream_t);
template void launch_clear(Extent, const Rows<__half>&, cudaStream_t);

}  // namespace lacuna::cuda::attention
