// One AdamW update of a flat range of n weights (formula: kernels/adamw.h). Reads weight, gradient,
// mean, variance, average and 1/16 byte of `decays`, writes all but the gradient and the rounded
// copy: 20 + 16 + 2 bytes a weight with average and copy, 8 less with moments in bf16. Bound by
// memory: a thread updates four neighbours, five independent accesses of 16 bytes. The rate, two
// powers in f64, is computed by one thread beforehand. One H100, 95M weights, 2026-11-27, when the
// host computed the rate: 98 % of the rate of a large copy.
#include "device/flat_range.cuh"
#include "device/moments.cuh"
#include "lacuna/kernels/adamw.h"

namespace lacuna::cuda {
namespace {

__global__ void adamw_rate_kernel(const StepState* state, double beta1, double beta2,
                                  double* rate) {
  follow_previous();
  if (state->skipped != 0) return;
  const auto t = static_cast<double>(state->updates);
  *rate = state->learning_rate * sqrt(1 - pow(beta2, t)) / (1 - pow(beta1, t));
}

template <class Moment>
struct AdamWUpdate {
  Moment *mean, *variance;
  int64_t begin;  // of the range in the flat buffers
  const double* rate;
  float beta1, beta2, fresh1, fresh2, eps, decay;  // fresh: 1 - beta, subtracted in f64

  template <int kCount>
  __device__ void update(Pack<float, kCount>& weight, const Pack<float, kCount>& gradient,
                         bool decays, const StepState& state, int64_t at) const {
    const auto corrected = static_cast<float>(*rate);
    const auto scale = static_cast<float>(state.gradient_scale);
    Pack<float, kCount> m = load_moments<kCount>(mean + at);
    Pack<float, kCount> v = load_moments<kCount>(variance + at);
    const MomentStore<Moment, kCount> moments(state, begin + at);
    const float shrink = decays ? decay : 0;
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      const float g = gradient.at[i] * scale;
      m.at[i] = beta1 * m.at[i] + fresh1 * g;
      v.at[i] = beta2 * v.at[i] + fresh2 * g * g;
      const float direction = m.at[i] / (sqrtf(v.at[i]) + eps);
      weight.at[i] -= corrected * (direction + shrink * weight.at[i]);
    }
    moments.template store<0>(mean + at, m);
    moments.template store<1>(variance + at, v);
  }
};

}  // namespace

void run(Backend, Queue& queue, const AdamW& op) {
  if (op.range.weight.count() == 0) return;
  constexpr const char* kOp = "AdamW";
  auto* rate = pointer<double>(op.rate, kOp);
  launch_kernel(gpu(queue), "adamw_rate_kernel", adamw_rate_kernel, 1, 1, 0, op.state, op.beta1,
                op.beta2, rate);
  with_moment_type(op.mean.dtype(), kOp, [&](auto moment) {
    using Moment = decltype(moment);
    const AdamWUpdate<Moment> update{pointer<Moment>(op.mean, kOp),
                                     pointer<Moment>(op.variance, kOp),
                                     op.range.begin,
                                     rate,
                                     static_cast<float>(op.beta1),
                                     static_cast<float>(op.beta2),
                                     static_cast<float>(1 - op.beta1),
                                     static_cast<float>(1 - op.beta2),
                                     static_cast<float>(op.eps),
                                     static_cast<float>(op.decay)};
    update_range(gpu(queue), kOp, "adamw_kernel", op.range, op.decays, update,
                 {&op.mean, &op.variance}, op.state);
  });
}

}  // namespace lacuna::cuda
