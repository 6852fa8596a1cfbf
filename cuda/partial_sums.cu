// to[j] += sum over i of partial[i, j]: parts * columns * 4 bytes, a few MB that lie in the L2
// cache. A block has 8 columns; thread (x, y) sums rows y, y + 64, .. of column x, then one thread
// a column adds the 64 sums in order. Bound by how many loads wait for each other. The next
// kernel's blocks come at the end only: earlier they take the place of some of these.
#include "dispatch.h"
#include "launch_kernel.h"
#include "partial_sums.h"

namespace lacuna::cuda {
namespace {

constexpr int kWide = 8, kHigh = 64;
constexpr int kAhead = 8;  // rows whose loads are under way together

__global__ __launch_bounds__(kWide* kHigh) void add_partial_sums_kernel(
    const float* partial, int64_t parts, int64_t columns, float* to, int64_t split, float* more) {
  await_previous();
  __shared__ float sums[kHigh][kWide + 1];
  const int64_t column = int64_t{blockIdx.x} * kWide + threadIdx.x;
  float sum = 0;
  if (column < columns) {
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
  sums[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  release_next();
  if (threadIdx.y > 0 || column >= columns) return;
  float total = 0;
#pragma unroll
  for (int i = 0; i < kHigh; ++i) total += sums[i][threadIdx.x];
  (column < split ? to[column] : more[column - split]) += total;
}

}  // namespace

void add_partial_sums(GpuStream& stream, const float* partial, int64_t parts, int64_t columns,
                      float* to, int64_t split, float* more) {
  const auto blocks = static_cast<unsigned>(divide_up(columns, kWide));
  launch_kernel(stream, "add_partial_sums_kernel", add_partial_sums_kernel, blocks,
                dim3(kWide, kHigh), 0, partial, parts, columns, to, split, more);
}

}  // namespace lacuna::cuda
