#include "lacuna/kernels/adamw.h"

#include <cmath>

#include "dispatch.h"
#include "flat_range.h"

namespace lacuna::cpu {
namespace {

template <class T>
void update(Queue& queue, const AdamW& op, double corrected) {
  T *weight = op.range.weight.data<T>(), *mean = op.mean.data<T>();
  T* variance = op.variance.data<T>();
  const T* gradient = op.range.gradient.data<T>();
  const T beta1 = T(op.beta1), beta2 = T(op.beta2), eps = T(op.eps);
  // 1 - beta in double: in f32 1 - 0.999 has five digits only.
  const T fresh1 = T(1 - op.beta1), fresh2 = T(1 - op.beta2);
  const T rate = T(corrected), scale = T(op.state->gradient_scale);
  update_range<T>(
      queue, op.range, op.decays, op.decay, *op.state, [&](int64_t first, int64_t last, T shrink) {
#pragma omp simd
        for (int64_t i = first; i < last; ++i) {
          const T g = gradient[i] * scale;
          mean[i] = beta1 * mean[i] + fresh1 * g;
          variance[i] = beta2 * variance[i] + fresh2 * g * g;
          weight[i] -= rate * (mean[i] / (std::sqrt(variance[i]) + eps) + shrink * weight[i]);
        }
      });
}

}  // namespace

void run(Backend, Queue& queue, const AdamW& op) {
  if (op.state->skipped != 0) return;
  const auto t = static_cast<double>(op.state->updates);
  const double rate =
      op.state->learning_rate * std::sqrt(1 - std::pow(op.beta2, t)) / (1 - std::pow(op.beta1, t));
  *op.rate.data<double>() = rate;
  with_float_type(op.range.weight.dtype(), "AdamW",
                  [&](auto type) { update<decltype(type)>(queue, op, rate); });
}

}  // namespace lacuna::cpu
