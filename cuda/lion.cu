// One Lion update of a flat range of n weights (formula: kernels/lion.h). Reads weight, gradient,
// momentum, average and 1/16 byte of `decays`, writes all but the gradient and the rounded copy: 16
// + 12 + 2 bytes a weight with average and copy, 4 less with a momentum in bf16. Bound by memory: a
// thread updates four neighbours.
#include "device/flat_range.cuh"
#include "device/moments.cuh"
#include "lacuna/kernels/lion.h"

namespace lacuna::cuda {
namespace {

template <class Moment>
struct LionUpdate {
  Moment* momentum;
  int64_t begin;                              // of the range in the flat buffers
  float beta1, beta2, fresh1, fresh2, decay;  // fresh: 1 - beta, subtracted in f64

  template <int kCount>
  __device__ void update(Pack<float, kCount>& weight, const Pack<float, kCount>& gradient,
                         bool decays, const StepState& state, int64_t at) const {
    const auto rate = static_cast<float>(state.learning_rate);
    const auto scale = static_cast<float>(state.gradient_scale);
    Pack<float, kCount> m = load_moments<kCount>(momentum + at);
    const MomentStore<Moment, kCount> moments(state, begin + at);
    const float shrink = decays ? decay : 0;
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      const float g = gradient.at[i] * scale;
      const float mean = beta1 * m.at[i] + fresh1 * g;
      const float direction = static_cast<float>(mean > 0) - static_cast<float>(mean < 0);
      m.at[i] = beta2 * m.at[i] + fresh2 * g;
      weight.at[i] -= rate * (direction + shrink * weight.at[i]);
    }
    moments.template store<0>(momentum + at, m);
  }
};

}  // namespace

void run(Backend, Queue& queue, const Lion& op) {
  if (op.range.weight.count() == 0) return;
  constexpr const char* kOp = "Lion";
  with_moment_type(op.momentum.dtype(), kOp, [&](auto moment) {
    using Moment = decltype(moment);
    const LionUpdate<Moment> update{
        pointer<Moment>(op.momentum, kOp), op.range.begin,
        static_cast<float>(op.beta1),      static_cast<float>(op.beta2),
        static_cast<float>(1 - op.beta1),  static_cast<float>(1 - op.beta2),
        static_cast<float>(op.decay)};
    update_range(gpu(queue), kOp, "lion_kernel", op.range, op.decays, update, {&op.momentum},
                 op.state);
  });
}

}  // namespace lacuna::cuda
