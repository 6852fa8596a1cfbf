#include "lacuna/kernels/adamw.h"

#include <algorithm>
#include <cmath>

#include "dispatch.h"
#include "lacuna/kernels/elementwise.h"
#include "parallel.h"

namespace lacuna::cpu {
namespace {

constexpr int64_t kChunk = 1 << 13;

template <class T>
void update(Queue& queue, const AdamW& op) {
  T *weight = op.weight.data<T>(), *mean = op.mean.data<T>(), *variance = op.variance.data<T>();
  const T* gradient = op.gradient.data<T>();
  T* average = op.average.present() ? op.average.data<T>() : nullptr;
  const uint8_t* decays = op.decays.present() ? op.decays.data<uint8_t>() : nullptr;
  const T beta1 = T(op.beta1), beta2 = T(op.beta2), eps = T(op.eps), decay = T(op.decay);
  // 1 - beta in double: in f32 1 - 0.999 has five digits only.
  const T fresh1 = T(1 - op.beta1), fresh2 = T(1 - op.beta2);
  const T rate = T(op.state->learning_rate), scale = T(op.state->gradient_scale);
  const T keep = T(op.state->average_decay), fresh = T(1 - op.state->average_decay);
  parallel_chunks(queue, op.weight.count(), kChunk, [&](int64_t, int64_t begin, int64_t end) {
    for (int64_t first = begin; first < end; first += kDecayGroup) {
      const int64_t last = std::min(end, first + kDecayGroup);
      const T shrink = decays == nullptr || decays[first / kDecayGroup] != 0 ? decay : T(0);
#pragma omp simd
      for (int64_t i = first; i < last; ++i) {
        const T g = gradient[i] * scale;
        mean[i] = beta1 * mean[i] + fresh1 * g;
        variance[i] = beta2 * variance[i] + fresh2 * g * g;
        weight[i] -= rate * (mean[i] / (std::sqrt(variance[i]) + eps) + shrink * weight[i]);
      }
    }
    if (average == nullptr) return;
    for (int64_t i = begin; i < end; ++i) average[i] = keep * average[i] + fresh * weight[i];
  });
}

}  // namespace

void run(Backend, Queue& queue, const AdamW& op) {
  if (op.state->skipped != 0) return;
  with_float_type(op.weight.dtype(), "AdamW", [&](auto t) { update<decltype(t)>(queue, op); });
  if (op.rounded.present()) run(Backend{}, queue, Convert{.x = op.weight, .y = op.rounded});
}

}  // namespace lacuna::cpu
