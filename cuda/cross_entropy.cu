// Cross-entropy and its gradient, logits: [N, V] f32, dlogits: [N, V] in T (bf16, f16, f32):
//   loss = log(sum exp(x - top)) - (x[target] - top)
//   dx = scale * (exp(x - top) / sum - [j = target]), scale = gradient_scale * loss_scale
// Reads logits, writes dlogits: N V (4 + size) bytes. Up to 1024 classes a warp holds a row in
// registers and reads it once. Wider rows have a block each, which reads them twice: largest and
// sum in one pass (each thread rescales its sum when its largest grows), then the gradient; the
// second reading mostly hits the L2 cache. A thread reads what it overwrites before, so dlogits may
// be the logits. One H100, bf16, 98,304 x 256, 2026-11-27: 95 % of the rate of a large copy.
#include "device/elements.cuh"
#include "dispatch.h"
#include "lacuna/kernels/cross_entropy.h"
#include "launch_kernel.h"

namespace lacuna::cuda {
namespace {

constexpr int kRowWarps = 8;       // rows of a block, where a warp holds one
constexpr int kWideThreads = 512;  // of a block that has one row
constexpr float kNone = -INFINITY;

struct Scale {
  double gradient_scale;
  const StepState* state;
  __device__ float value() const {
    return static_cast<float>(gradient_scale * (state != nullptr ? state->loss_scale : 1));
  }
};

__device__ double loss_of(float sum, float logit, float top) {
  return double{logf(sum)} - (double{logit} - double{top});
}

template <class T, int kPack, int kPacks>
__global__ __launch_bounds__(kRowWarps * 32) void cross_entropy_kernel(const float* logits,
                                                                       const int32_t* targets,
                                                                       double* losses, T* dlogits,
                                                                       Scale scale, int64_t rows,
                                                                       int classes) {
  follow_previous();
  const int64_t row = int64_t{blockIdx.x} * kRowWarps + threadIdx.x / 32;
  if (row >= rows) return;
  const int lane = static_cast<int>(threadIdx.x % 32);
  const auto column = [&](int k) { return (k * 32 + lane) * kPack; };
  Pack<float, kPack> x[kPacks];
  float top = kNone, sum = 0;
#pragma unroll
  for (int k = 0; k < kPacks; ++k) {
    if (column(k) < classes) {
      x[k] = load<kPack>(logits + row * classes + column(k));
    } else {
#pragma unroll
      for (int i = 0; i < kPack; ++i) x[k].at[i] = kNone;
    }
  }
  const int target = targets[row];
#pragma unroll
  for (int k = 0; k < kPacks; ++k) {
#pragma unroll
    for (int i = 0; i < kPack; ++i) top = fmaxf(top, x[k].at[i]);
  }
  top = warp_max(top);
  float logit = 0;
#pragma unroll
  for (int k = 0; k < kPacks; ++k) {
#pragma unroll
    for (int i = 0; i < kPack; ++i) {
      if (column(k) + i == target) logit = x[k].at[i];
      x[k].at[i] = expf(x[k].at[i] - top);
      sum += x[k].at[i];
    }
  }
  sum = warp_sum(sum);
  if (target / kPack % 32 == lane) losses[row] = loss_of(sum, logit, top);
  if (dlogits == nullptr) return;
  const float whole = scale.value(), factor = whole / sum;
#pragma unroll
  for (int k = 0; k < kPacks; ++k) {
    if (column(k) >= classes) continue;
    Pack<T, kPack> gradient;
#pragma unroll
    for (int i = 0; i < kPack; ++i) {
      gradient.at[i] = from_f32<T>(factor * x[k].at[i] - (column(k) + i == target ? whole : 0.0F));
    }
    store<kPack>(dlogits + row * classes + column(k), gradient);
  }
}

/// Largest and sum of exp(x - largest) of a part of a row.
struct Part {
  float top, sum;
};

__device__ Part joined(Part a, Part b) {
  const float top = fmaxf(a.top, b.top);
  if (top == kNone) return {kNone, 0};
  return {top, a.sum * expf(a.top - top) + b.sum * expf(b.top - top)};
}

/// The whole row's, the same bits in every thread.
__device__ Part block_join(Part part) {
  __shared__ Part parts[kWideThreads / 32];
#pragma unroll
  for (int offset = 16; offset > 0; offset /= 2) {
    part = joined(part, {__shfl_xor_sync(0xFFFFFFFFu, part.top, offset),
                         __shfl_xor_sync(0xFFFFFFFFu, part.sum, offset)});
  }
  if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = part;
  __syncthreads();
  part = parts[0];
  for (int warp = 1; warp < kWideThreads / 32; ++warp) part = joined(part, parts[warp]);
  return part;
}

template <class T, int kPack>
__global__ __launch_bounds__(kWideThreads) void cross_entropy_wide_kernel(const float* logits,
                                                                          const int32_t* targets,
                                                                          double* losses,
                                                                          T* dlogits, Scale scale,
                                                                          int64_t classes) {
  follow_previous();
  const int64_t row = blockIdx.x;
  const float* x = logits + row * classes;
  Part part{kNone, 0};
#pragma unroll 4
  for (int64_t j = int64_t{threadIdx.x} * kPack; j < classes; j += kWideThreads * kPack) {
    const Pack<float, kPack> pack = load<kPack>(x + j);
    float top = part.top;
#pragma unroll
    for (int i = 0; i < kPack; ++i) top = fmaxf(top, pack.at[i]);
    if (top > part.top) part = {top, part.sum * expf(part.top - top)};
#pragma unroll
    for (int i = 0; i < kPack; ++i) part.sum += expf(pack.at[i] - top);
  }
  part = block_join(part);
  const int64_t target = targets[row];
  const float whole = scale.value(), factor = whole / part.sum;
#pragma unroll 4
  for (int64_t j = int64_t{threadIdx.x} * kPack; j < classes; j += kWideThreads * kPack) {
    const Pack<float, kPack> pack = load<kPack>(x + j);
    Pack<T, kPack> gradient;
#pragma unroll
    for (int i = 0; i < kPack; ++i) {
      const bool is_target = j + i == target;
      if (is_target) losses[row] = loss_of(part.sum, pack.at[i], part.top);
      gradient.at[i] = from_f32<T>(factor * expf(pack.at[i] - part.top) - (is_target ? whole : 0));
    }
    if (dlogits != nullptr) store<kPack>(dlogits + row * classes + j, gradient);
  }
}

template <class T>
void cross_entropy(GpuStream& stream, const CrossEntropy& op) {
  constexpr const char* kOp = "CrossEntropy";
  const int64_t classes = op.logits.shape().back(), rows = op.logits.count() / classes;
  const float* logits = pointer<float>(op.logits, kOp);
  const int32_t* targets = pointer<int32_t>(op.targets, kOp);
  double* losses = pointer<double>(op.losses, kOp);
  T* dlogits = pointer<T>(op.dlogits, kOp);
  const Scale scale{op.gradient_scale, op.state};
  const auto blocks = static_cast<unsigned>(divide_up(rows, kRowWarps));
  with_pack_width<4>(classes, {logits, dlogits}, [&](auto pack) {
    if (classes <= 256) {
      launch_kernel(stream, "cross_entropy_kernel", cross_entropy_kernel<T, pack, 8 / pack>, blocks,
                    kRowWarps * 32, 0, logits, targets, losses, dlogits, scale, rows,
                    static_cast<int>(classes));
    } else if (classes <= 1024) {
      launch_kernel(stream, "cross_entropy_kernel", cross_entropy_kernel<T, pack, 32 / pack>,
                    blocks, kRowWarps * 32, 0, logits, targets, losses, dlogits, scale, rows,
                    static_cast<int>(classes));
    } else {
      launch_kernel(stream, "cross_entropy_kernel", cross_entropy_wide_kernel<T, pack>,
                    static_cast<unsigned>(rows), kWideThreads, 0, logits, targets, losses, dlogits,
                    scale, classes);
    }
  });
}

}  // namespace

void run(Backend, Queue& queue, const CrossEntropy& op) {
  if (op.logits.count() == 0) return;
  const DType stored = op.dlogits.present() ? op.dlogits.dtype() : DType::kF32;
  with_activation_type(stored, "CrossEntropy",
                       [&](auto t) { cross_entropy<decltype(t)>(gpu(queue), op); });
}

}  // namespace lacuna::cuda
