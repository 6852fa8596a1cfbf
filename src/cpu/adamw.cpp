#include "lacuna/kernels/adamw.h"

#include <cmath>

#include "dispatch.h"
#include "flat_range.h"
#include "moments.h"

namespace lacuna::cpu {
namespace {

template <class T, class Stored>
void update(Queue& queue, const AdamW& op, double corrected) {
  T* weights = op.range.weight.data<T>();
  const T* gradients = op.range.gradient.data<T>();
  Stored *means = op.mean.data<Stored>(), *variances = op.variance.data<Stored>();
  const T beta1 = T(op.beta1), beta2 = T(op.beta2), eps = T(op.eps);
  // 1 - beta in double: in f32 1 - 0.999 has five digits only.
  const T fresh1 = T(1 - op.beta1), fresh2 = T(1 - op.beta2);
  const T rate = T(corrected), scale = T(op.state->gradient_scale);
  const auto update_group = [&](int64_t first, int64_t last, T shrink) {
    const int64_t count = last - first;
    T mean_copy[kDecayGroup], variance_copy[kDecayGroup];
    T* mean = widened(means + first, count, mean_copy);
    T* variance = widened(variances + first, count, variance_copy);
    T* weight = weights + first;
    const T* gradient = gradients + first;
#pragma omp simd
    for (int64_t i = 0; i < count; ++i) {
      const T g = gradient[i] * scale;
      mean[i] = beta1 * mean[i] + fresh1 * g;
      variance[i] = beta2 * variance[i] + fresh2 * g * g;
      weight[i] -= rate * (mean[i] / (std::sqrt(variance[i]) + eps) + shrink * weight[i]);
    }
    if constexpr (!std::is_same_v<T, Stored>) {
      round_moments<T>(op.state->inputs, op.range.begin + first, count,
                       {{mean, means + first}, {variance, variances + first}});
    }
  };
  update_range<T>(queue, op.range, op.decays, op.decay, *op.state, update_group);
}

}  // namespace

void run(Backend, Queue& queue, const AdamW& op) {
  if (op.state->skipped != 0) return;
  const auto t = static_cast<double>(op.state->updates);
  const double rate =
      op.state->learning_rate * std::sqrt(1 - std::pow(op.beta2, t)) / (1 - std::pow(op.beta1, t));
  *op.rate.data<double>() = rate;
  with_float_type(op.range.weight.dtype(), "AdamW", [&](auto type) {
    using T = decltype(type);
    with_moment_type<T>(op.mean.dtype(), "AdamW",
                        [&](auto stored) { update<T, decltype(stored)>(queue, op, rate); });
  });
}

}  // namespace lacuna::cpu
