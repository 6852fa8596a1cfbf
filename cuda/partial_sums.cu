// to[j] += sum over i of partial[i, j]: parts * columns * 4 bytes, a few MB that lie in the L2
// cache. A block has 32 columns; thread (x, y) sums rows y, y + 32, .. of column x, then one thread
// a column adds the 32 sums in order.
#include "dispatch.h"
#include "launch_kernel.h"
#include "partial_sums.h"

namespace lacuna::cuda {
namespace {

constexpr int kSide = 32;

__global__ __launch_bounds__(kSide* kSide) void add_partial_sums_kernel(
    const float* partial, int64_t parts, int64_t columns, float* to, int64_t split, float* more) {
  follow_previous();
  __shared__ float sums[kSide][kSide + 1];
  const int64_t column = int64_t{blockIdx.x} * kSide + threadIdx.x;
  float sum = 0;
  if (column < columns) {
#pragma unroll 8
    for (int64_t i = threadIdx.y; i < parts; i += kSide) sum += partial[i * columns + column];
  }
  sums[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y > 0 || column >= columns) return;
  float total = 0;
#pragma unroll
  for (int i = 0; i < kSide; ++i) total += sums[i][threadIdx.x];
  (column < split ? to[column] : more[column - split]) += total;
}

}  // namespace

void add_partial_sums(GpuStream& stream, const float* partial, int64_t parts, int64_t columns,
                      float* to, int64_t split, float* more) {
  const auto blocks = static_cast<unsigned>(divide_up(columns, kSide));
  launch_kernel(stream, "add_partial_sums_kernel", add_partial_sums_kernel, blocks,
                dim3(kSide, kSide), 0, partial, parts, columns, to, split, more);
}

}  // namespace lacuna::cuda
