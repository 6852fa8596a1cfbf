#include "lacuna/kernels/lion.h"

#include "dispatch.h"
#include "flat_range.h"
#include "moments.h"

namespace lacuna::cpu {
namespace {

template <class T, class Stored>
void update(Queue& queue, const Lion& op) {
  T* weights = op.range.weight.data<T>();
  const T* gradients = op.range.gradient.data<T>();
  Stored* momenta = op.momentum.data<Stored>();
  const T beta1 = T(op.beta1), beta2 = T(op.beta2);
  const T fresh1 = T(1 - op.beta1), fresh2 = T(1 - op.beta2);  // subtracted in f64
  const T rate = T(op.state->learning_rate), scale = T(op.state->gradient_scale);
  const auto update_group = [&](int64_t first, int64_t last, T shrink) {
    const int64_t count = last - first;
    T copy[kDecayGroup];
    T* momentum = widened(momenta + first, count, copy);
    T* weight = weights + first;
    const T* gradient = gradients + first;
#pragma omp simd
    for (int64_t i = 0; i < count; ++i) {
      const T g = gradient[i] * scale;
      const T mean = beta1 * momentum[i] + fresh1 * g;
      const T direction = T(mean > 0) - T(mean < 0);
      momentum[i] = beta2 * momentum[i] + fresh2 * g;
      weight[i] -= rate * (direction + shrink * weight[i]);
    }
    if constexpr (!std::is_same_v<T, Stored>) {
      round_moments<T>(op.state->inputs, op.range.begin + first, count,
                       {{momentum, momenta + first}});
    }
  };
  update_range<T>(queue, op.range, op.decays, op.decay, *op.state, update_group);
}

}  // namespace

void run(Backend, Queue& queue, const Lion& op) {
  if (op.state->skipped != 0) return;
  with_float_type(op.range.weight.dtype(), "Lion", [&](auto type) {
    using T = decltype(type);
    with_moment_type<T>(op.momentum.dtype(), "Lion",
                        [&](auto stored) { update<T, decltype(stored)>(queue, op); });
  });
}

}  // namespace lacuna::cpu
