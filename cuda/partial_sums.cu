// to[j] += sum over i of partial[i, j]: parts * columns * 4 bytes, a few MB that lie in the L2
// cache. Bound by latency: a block has few columns (a sector of 32 bytes) and many rows, thread
// (x, y) sums rows y, y + kRows, .. of column x, then one thread a column adds the sums in order.
#include "dispatch.h"
#include "launch_kernel.h"
#include "partial_sums.h"

namespace lacuna::cuda {
namespace {

constexpr int kColumns = 8, kRows = 64;

__global__ __launch_bounds__(kColumns* kRows) void add_partial_sums_kernel(
    const float* partial, int64_t parts, int64_t columns, float* to, int64_t split, float* more) {
  follow_previous();
  __shared__ float sums[kRows][kColumns];
  const int64_t column = int64_t{blockIdx.x} * kColumns + threadIdx.x;
  float sum = 0;
  if (column < columns) {
#pragma unroll 8
    for (int64_t i = threadIdx.y; i < parts; i += kRows) sum += partial[i * columns + column];
  }
  sums[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y > 0 || column >= columns) return;
  float total = 0;
#pragma unroll
  for (int i = 0; i < kRows; ++i) total += sums[i][threadIdx.x];
  (column < split ? to[column] : more[column - split]) += total;
}

}  // namespace

void add_partial_sums(GpuStream& stream, const float* partial, int64_t parts, int64_t columns,
                      float* to, int64_t split, float* more) {
  const auto blocks = static_cast<unsigned>(divide_up(columns, kColumns));
  launch_kernel(stream, "add_partial_sums_kernel", add_partial_sums_kernel, blocks,
                dim3(kColumns, kRows), 0, partial, parts, columns, to, split, more);
}

}  // namespace lacuna::cuda
