#include "lacuna/kernels/lion.h"

#include "dispatch.h"
#include "flat_range.h"

namespace lacuna::cpu {
namespace {

template <class T>
void update(Queue& queue, const Lion& op) {
  T *weight = op.range.weight.data<T>(), *momentum = op.momentum.data<T>();
  const T* gradient = op.range.gradient.data<T>();
  const T beta1 = T(op.beta1), beta2 = T(op.beta2);
  const T fresh1 = T(1 - op.beta1), fresh2 = T(1 - op.beta2);  // subtracted in f64
  const T rate = T(op.state->learning_rate), scale = T(op.state->gradient_scale);
  update_range<T>(queue, op.range, op.decays, op.decay, *op.state,
                  [&](int64_t first, int64_t last, T shrink) {
#pragma omp simd
                    for (int64_t i = first; i < last; ++i) {
                      const T g = gradient[i] * scale;
                      const T mean = beta1 * momentum[i] + fresh1 * g;
                      const T direction = T(mean > 0) - T(mean < 0);
                      momentum[i] = beta2 * momentum[i] + fresh2 * g;
                      weight[i] -= rate * (direction + shrink * weight[i]);
                    }
                  });
}

}  // namespace

void run(Backend, Queue& queue, const Lion& op) {
  if (op.state->skipped != 0) return;
  with_float_type(op.range.weight.dtype(), "Lion",
                  [&](auto type) { update<decltype(type)>(queue, op); });
}

}  // namespace lacuna::cpu
