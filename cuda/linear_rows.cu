// y[n, o] = f(sum_i x[n, i] W[o, i] + b[o]) for a few rows n, as decoding has them. x, W, b in T; y
// in T or f32. The bits of a row depend on that row alone: each output is a sum of its own, in an
// order that depends on I alone. Bound by the O I size bytes of W and, as the layers of a step
// follow each other, by the latency of a launch and of the first bytes.
//   product   16-bit types, I a multiple of 32: tensor cores. A block makes 8 outputs of up to 64
//             rows; its warps take the steps of 32 along I by turns and add up their sums in order.
//             They ask for their weights before earlier kernels have ended, but into the
//             second-level cache only, where a late write is seen.
//   dot       anything else: a warp makes one output of up to 8 rows in f32.
#include "device/elements.cuh"
#include "device/mma.cuh"
#include "device/quick_gelu.cuh"
#include "dispatch.h"
#include "launch_kernel.h"
#include "linear_rows.h"

namespace lacuna::cuda {
namespace {

constexpr int kThreads = 256, kWarps = kThreads / 32;
constexpr int kDotRows = 8;
constexpr int kOutputs = 8, kStep = 32;        // of a block; along I
constexpr int kTileRows = 16, kMostTiles = 4;  // of a product; of a block
constexpr int kFewTiles = 1;                   // for up to 16 rows

template <class T, class Out>
struct Arguments {
  const T *x, *weight, *bias;
  Out* y;
  int64_t rows, in, out;
  bool activates;

  __device__ void write(int64_t row, int64_t output, float sum) const {
    if (bias != nullptr) sum += to_f32(bias[output]);
    // The preactivation is rounded, as it is where it is stored.
    if (activates) sum = quick_gelu(to_f32(from_f32<T>(sum)));
    y[row * out + output] = from_f32<Out>(sum);
  }
};

template <int kWide, class T, class Out>
__global__ __launch_bounds__(kThreads) void linear_rows_dot_kernel(Arguments<T, Out> a) {
  follow_previous();
  const int64_t o = int64_t{blockIdx.x} * kWarps + threadIdx.x / 32;
  const int64_t first = int64_t{blockIdx.y} * kDotRows;
  if (o >= a.out) return;
  const int lane = static_cast<int>(threadIdx.x % 32);
  float sums[kDotRows] = {};
  for (int64_t i = int64_t{lane} * kWide; i < a.in; i += 32 * kWide) {
    const Pack<T, kWide> w = load<kWide>(a.weight + o * a.in + i);
#pragma unroll
    for (int r = 0; r < kDotRows; ++r) {
      if (first + r >= a.rows) break;
      const Pack<T, kWide> v = load<kWide>(a.x + (first + r) * a.in + i);
#pragma unroll
      for (int k = 0; k < kWide; ++k) sums[r] = fmaf(to_f32(v.at[k]), to_f32(w.at[k]), sums[r]);
    }
  }
#pragma unroll
  for (int r = 0; r < kDotRows; ++r) {
    if (first + r >= a.rows) break;
    const float sum = warp_sum(sums[r]);
    if (lane == 0) a.write(first + r, o, sum);
  }
}

// Walks along I in steps of 32, of which a lane reads eight neighbours of one output's weights and
// of two rows of each tile: pairs 0 and 1 are its share of a first product of 16 along I, pairs 2
// and 3 of a second. Which elements a product sums does not matter as long as both operands agree.
template <class T, class Out, int kTiles>
__global__ __launch_bounds__(kThreads) void linear_rows_product_kernel(Arguments<T, Out> a) {
  const int lane = static_cast<int>(threadIdx.x % 32), warp = static_cast<int>(threadIdx.x / 32);
  const int64_t first_output = int64_t{blockIdx.x} * kOutputs, output = first_output + lane / 4;
  const int64_t first_row = int64_t{blockIdx.y} * kTiles * kTileRows;
  const T* weight = a.weight + output * a.in + lane % 4 * 8;
  const bool has_weight = output < a.out;
  for (int64_t i = warp * kStep; has_weight && i < a.in; i += kWarps * kStep) {
    asm volatile("prefetch.global.L2 [%0];" ::"l"(weight + i));
  }
  follow_previous();
  float sums[kTiles][4] = {};
  for (int64_t i = warp * kStep; i < a.in; i += kWarps * kStep) {
    uint4 w{};
    if (has_weight) w = *reinterpret_cast<const uint4*>(weight + i);
#pragma unroll
    for (int tile = 0; tile < kTiles; ++tile) {
      uint4 x[2]{};
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int64_t row = first_row + tile * kTileRows + half * 8 + lane / 4;
        if (row >= a.rows) continue;
        x[half] = *reinterpret_cast<const uint4*>(a.x + row * a.in + i + lane % 4 * 8);
      }
      device::multiply_add<T>(sums[tile], {x[0].x, x[1].x, x[0].y, x[1].y}, w.x, w.y);
      device::multiply_add<T>(sums[tile], {x[0].z, x[1].z, x[0].w, x[1].w}, w.z, w.w);
    }
  }
  __shared__ float staged[kWarps][kTiles * kTileRows][kOutputs];
#pragma unroll
  for (int tile = 0; tile < kTiles; ++tile) {
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      const int row = tile * kTileRows + e / 2 * 8 + lane / 4;
      staged[warp][row][lane % 4 * 2 + e % 2] = sums[tile][e];
    }
  }
  __syncthreads();
  for (int j = static_cast<int>(threadIdx.x); j < kTiles * kTileRows * kOutputs; j += kThreads) {
    const int64_t row = first_row + j / kOutputs, o = first_output + j % kOutputs;
    if (row >= a.rows || o >= a.out) continue;
    float sum = 0;
#pragma unroll
    for (int w = 0; w < kWarps; ++w) sum += staged[w][j / kOutputs][j % kOutputs];
    a.write(row, o, sum);
  }
}

template <class T, class Out>
void launch_dots(const GpuStream& stream, const Arguments<T, Out>& a) {
  const dim3 blocks(static_cast<unsigned>(divide_up(a.out, kWarps)),
                    static_cast<unsigned>(divide_up(a.rows, kDotRows)));
  with_pack_width<kVector<T>>(a.in, {a.x, a.weight}, [&](auto wide) {
    launch_kernel(stream, "linear_rows_dot_kernel", linear_rows_dot_kernel<wide, T, Out>, blocks,
                  kThreads, 0, a);
  });
}

template <int kTiles, class T, class Out>
void launch_products(const GpuStream& stream, const Arguments<T, Out>& a) {
  const dim3 blocks(static_cast<unsigned>(divide_up(a.out, kOutputs)),
                    static_cast<unsigned>(divide_up(a.rows, kTiles * kTileRows)));
  launch_kernel(stream, "linear_rows_product_kernel", linear_rows_product_kernel<T, Out, kTiles>,
                blocks, kThreads, 0, a);
}

template <class T, class Out>
void run_typed(const GpuStream& stream, const LinearForward& op) {
  const Arguments<T, Out> a{.x = pointer<T>(op.x, "LinearForward"),
                            .weight = pointer<T>(op.weight, "LinearForward"),
                            .bias = pointer<T>(op.bias, "LinearForward"),
                            .y = pointer<Out>(op.y, "LinearForward"),
                            .rows = op.y.count() / op.weight.size(0),
                            .in = op.weight.size(1),
                            .out = op.weight.size(0),
                            .activates = op.activation == Activation::kQuickGelu};
  if constexpr (sizeof(T) == 2) {
    const bool aligned = reinterpret_cast<uintptr_t>(a.x) % 16 == 0 &&
                         reinterpret_cast<uintptr_t>(a.weight) % 16 == 0;
    if (aligned && a.in % kStep == 0) {
      if (a.rows <= kFewTiles * kTileRows) return launch_products<kFewTiles>(stream, a);
      return launch_products<kMostTiles>(stream, a);
    }
  }
  launch_dots(stream, a);
}

}  // namespace

void linear_rows(Queue& queue, const LinearForward& op) {
  require(!op.preactivation.present(), "LinearForward", "rows alone keep no preactivation");
  with_activation_type(op.x.dtype(), "LinearForward", [&](auto type) {
    using T = decltype(type);
    if (op.y.dtype() == DType::kF32) return run_typed<T, float>(gpu(queue), op);
    run_typed<T, T>(gpu(queue), op);
  });
}

}  // namespace lacuna::cuda
