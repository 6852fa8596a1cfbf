// y[n, o] = sum_i x[n, i] W[o, i] + b[o] for a few rows n, as decoding has them. x, W, b in T; y in
// T or f32. Bound by the O I size bytes of W: a warp makes one output of up to 8 rows at once and
// reads its row of W once for them; its lanes take the elements by turns and add up in f32, in an
// order that depends on I alone.
#include "device/elements.cuh"
#include "dispatch.h"
#include "linear_rows.h"

namespace lacuna::cuda {
namespace {

constexpr int kThreads = 256, kWarps = kThreads / 32;
constexpr int kRows = 8;

template <int kWide, class T, class Out>
__global__ __launch_bounds__(kThreads) void linear_rows_kernel(const T* x, const T* weight,
                                                               const T* bias, Out* y, int64_t rows,
                                                               int64_t in, int64_t out) {
  const int64_t o = int64_t{blockIdx.x} * kWarps + threadIdx.x / 32;
  const int64_t first = int64_t{blockIdx.y} * kRows;
  if (o >= out) return;
  const int lane = static_cast<int>(threadIdx.x % 32);
  float sums[kRows] = {};
  for (int64_t i = int64_t{lane} * kWide; i < in; i += 32 * kWide) {
    const Pack<T, kWide> w = load<kWide>(weight + o * in + i);
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      if (first + r >= rows) break;
      const Pack<T, kWide> v = load<kWide>(x + (first + r) * in + i);
#pragma unroll
      for (int k = 0; k < kWide; ++k) sums[r] = fmaf(to_f32(v.at[k]), to_f32(w.at[k]), sums[r]);
    }
  }
  const float added = bias != nullptr ? to_f32(bias[o]) : 0.0F;
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    if (first + r >= rows) break;
    const float sum = warp_sum(sums[r]);
    if (lane == 0) y[(first + r) * out + o] = from_f32<Out>(sum + added);
  }
}

}  // namespace

void linear_rows(Queue& queue, const View& x, const View& weight, const View& bias, const View& y) {
  const int64_t in = weight.size(1), out = weight.size(0), rows = y.count() / out;
  const dim3 grid(static_cast<unsigned>(divide_up(out, kWarps)),
                  static_cast<unsigned>(divide_up(rows, kRows)));
  const cudaStream_t stream = gpu(queue).stream();
  with_activation_type(x.dtype(), "linear_rows", [&](auto type) {
    using T = decltype(type);
    const auto launch_to = [&](auto* to) {
      with_pack_width<int{16 / sizeof(T)}>(in, {x.raw(), weight.raw()}, [&](auto wide) {
        linear_rows_kernel<wide.value><<<grid, kThreads, 0, stream>>>(
            pointer<T>(x, "linear_rows"), pointer<T>(weight, "linear_rows"),
            pointer<T>(bias, "linear_rows"), to, rows, in, out);
      });
    };
    if (y.dtype() == DType::kF32) {
      launch_to(pointer<float>(y, "linear_rows"));
    } else {
      launch_to(pointer<T>(y, "linear_rows"));
    }
  });
  check_launch("linear_rows_kernel");
}

}  // namespace lacuna::cuda
