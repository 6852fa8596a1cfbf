// One AdamW update of a flat range of n weights (formula: kernels/adamw.h), all f32, the rounded
// copy bf16 or f16. Everything of the step is read from StepState on the device. Reads weight,
// gradient, mean, variance, average and 1/16 byte of `decays`, writes all but the gradient and the
// rounded copy: 20 + 16 + 2 bytes a weight with average and copy. Bound by memory: a thread updates
// four neighbours, five independent accesses of 16 bytes.
// One H100, 95M weights, 2026-11-27: 98 % of the rate of a large copy.
#include "device/elements.cuh"
#include "dispatch.h"
#include "lacuna/kernels/adamw.h"
#include "launch_kernel.h"

namespace lacuna::cuda {
namespace {

constexpr int kThreads = 256, kPack = 4;
static_assert(kDecayGroup % kPack == 0);

struct Moments {
  float beta1, beta2, fresh1, fresh2, eps, decay;  // fresh: 1 - beta, subtracted in f64
};

template <class Rounded>
struct Flat {
  float* weight;
  const float* gradient;
  float *mean, *variance, *average;  // average, rounded, decays: may be null
  Rounded* rounded;
  const uint8_t* decays;
  int64_t count;
};

template <class Rounded, int kCount>
__device__ void update(const Flat<Rounded>& flat, const Moments& m, const StepState& state,
                       int64_t at) {
  const auto rate = static_cast<float>(state.learning_rate);
  const auto scale = static_cast<float>(state.gradient_scale);
  Pack<float, kCount> weight = load<kCount>(flat.weight + at);
  const Pack<float, kCount> gradient = load<kCount>(flat.gradient + at);
  Pack<float, kCount> mean = load<kCount>(flat.mean + at);
  Pack<float, kCount> variance = load<kCount>(flat.variance + at);
  Pack<float, kCount> average{};
  if (flat.average != nullptr) average = load<kCount>(flat.average + at);
  const bool decays = flat.decays == nullptr || flat.decays[at / kDecayGroup] != 0;
  const float shrink = decays ? m.decay : 0;
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    const float g = gradient.at[i] * scale;
    mean.at[i] = m.beta1 * mean.at[i] + m.fresh1 * g;
    variance.at[i] = m.beta2 * variance.at[i] + m.fresh2 * g * g;
    const float direction = mean.at[i] / (sqrtf(variance.at[i]) + m.eps);
    weight.at[i] -= rate * (direction + shrink * weight.at[i]);
  }
  store<kCount>(flat.weight + at, weight);
  store<kCount>(flat.mean + at, mean);
  store<kCount>(flat.variance + at, variance);
  if (flat.average != nullptr) {
    const auto keep = static_cast<float>(state.average_decay);
    const auto fresh = static_cast<float>(1 - state.average_decay);
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      average.at[i] = keep * average.at[i] + fresh * weight.at[i];
    }
    store<kCount>(flat.average + at, average);
  }
  if (flat.rounded != nullptr) {
    Pack<Rounded, kCount> rounded;
#pragma unroll
    for (int i = 0; i < kCount; ++i) rounded.at[i] = from_f32<Rounded>(weight.at[i]);
    store<kCount>(flat.rounded + at, rounded);
  }
}

template <class Rounded, int kCount>
__global__ __launch_bounds__(kThreads) void adamw_kernel(Flat<Rounded> flat, Moments moments,
                                                         const StepState* state) {
  follow_previous();
  if (state->skipped != 0) return;
  const int64_t at = (int64_t{blockIdx.x} * kThreads + threadIdx.x) * kCount;
  if (at + kCount <= flat.count) {
    update<Rounded, kCount>(flat, moments, *state, at);
  } else {
    for (int64_t i = at; i < flat.count; ++i) update<Rounded, 1>(flat, moments, *state, i);
  }
}

template <class Rounded>
void update_all(GpuStream& stream, const AdamW& op) {
  constexpr const char* kOp = "AdamW";
  const Flat<Rounded> flat{pointer<float>(op.weight, kOp),   pointer<float>(op.gradient, kOp),
                           pointer<float>(op.mean, kOp),     pointer<float>(op.variance, kOp),
                           pointer<float>(op.average, kOp),  pointer<Rounded>(op.rounded, kOp),
                           pointer<uint8_t>(op.decays, kOp), op.weight.count()};
  const Moments moments{static_cast<float>(op.beta1),     static_cast<float>(op.beta2),
                        static_cast<float>(1 - op.beta1), static_cast<float>(1 - op.beta2),
                        static_cast<float>(op.eps),       static_cast<float>(op.decay)};
  with_pack_width<kPack>(
      0, {flat.weight, flat.gradient, flat.mean, flat.variance, flat.average, flat.rounded},
      [&](auto count) {
        const int64_t blocks = divide_up(flat.count, int64_t{kThreads} * count);
        launch_kernel(stream, "adamw_kernel", adamw_kernel<Rounded, count>,
                      static_cast<unsigned>(blocks), kThreads, 0, flat, moments, op.state);
      });
}

}  // namespace

void run(Backend, Queue& queue, const AdamW& op) {
  if (op.weight.count() == 0) return;
  if (op.rounded.present() && op.rounded.dtype() == DType::kF16) {
    return update_all<__half>(gpu(queue), op);
  }
  update_all<__nv_bfloat16>(gpu(queue), op);
}

}  // namespace lacuna::cuda
