// to[j] += sum over i of partial[i, j]: parts * columns * 4 bytes, a few MB that lie in the L2
// cache. A block has 8 columns; thread (x, y) sums rows y, y + 64, .. of column x; the four sums of
// a column in a warp are added by pairs; then the first warp adds those of all warps, a quarter of
// them a lane, and by pairs again. Bound by how many loads wait for each other, so what is added to
// is read along with the rest.
#include "dispatch.h"
#include "launch_kernel.h"
#include "partial_sums.h"

namespace lacuna::cuda {
namespace {

constexpr int kWide = 8, kHigh = 64;
constexpr int kAhead = 8;            // rows whose loads are under way together
constexpr int kShares = 32 / kWide;  // lanes of a warp that have the same column
constexpr int kWarps = kHigh / kShares, kWarpsOfShare = kWarps / kShares;
static_assert(32 % kWide == 0 && kWarps % kShares == 0);

// Over the lanes of a warp whose column is the same.
__device__ float sum_of_column(float value) {
#pragma unroll
  for (int distance = kWide; distance < 32; distance *= 2) {
    value += __shfl_xor_sync(0xFFFFFFFFu, value, distance);
  }
  return value;
}

__global__ __launch_bounds__(kWide* kHigh) void add_partial_sums_kernel(
    const float* partial, int64_t parts, int64_t columns, float* to, int64_t split, float* more) {
  follow_previous();
  __shared__ float of_warps[kWarps][kWide];
  const auto thread = static_cast<int>(threadIdx.y * kWide + threadIdx.x);
  const int warp = thread / 32, lane = thread % 32;
  const int64_t column = int64_t{blockIdx.x} * kWide + threadIdx.x;
  float* const target = column < split ? to + column : more + (column - split);
  float sum = 0, before = 0;
  if (column < columns) {
    if (threadIdx.y == 0) before = *target;
    for (int64_t first = threadIdx.y; first < parts; first += kAhead * kHigh) {
      float values[kAhead];
#pragma unroll
      for (int k = 0; k < kAhead; ++k) {
        const int64_t i = first + k * kHigh;
        values[k] = i < parts ? partial[i * columns + column] : 0;
      }
#pragma unroll
      for (int k = 0; k < kAhead; ++k) sum += values[k];
    }
  }
  sum = sum_of_column(sum);
  if (lane < kWide) of_warps[warp][lane] = sum;
  __syncthreads();
  if (warp > 0) return;
  sum = 0;
#pragma unroll
  for (int i = 0; i < kWarpsOfShare; ++i) {
    sum += of_warps[lane / kWide * kWarpsOfShare + i][lane % kWide];
  }
  sum = sum_of_column(sum);
  if (lane < kWide && column < columns) *target = before + sum;
}

}  // namespace

void add_partial_sums(GpuStream& stream, const float* partial, int64_t parts, int64_t columns,
                      float* to, int64_t split, float* more) {
  const auto blocks = static_cast<unsigned>(divide_up(columns, kWide));
  launch_kernel(stream, "add_partial_sums_kernel", add_partial_sums_kernel, blocks,
                dim3(kWide, kHigh), 0, partial, parts, columns, to, split, more);
}

}  // namespace lacuna::cuda
