#include "lacuna/kernels/cross_entropy.h"

#include <cmath>

#include "dispatch.h"
#include "math.h"
#include "parallel.h"

namespace lacuna::cpu {
namespace {

template <class T>
void rows_of(Queue& queue, const CrossEntropy& op) {
  const int64_t classes = op.logits.shape().back(), rows = op.logits.count() / classes;
  const T* logits = op.logits.data<T>();
  const int32_t* targets = op.targets.data<int32_t>();
  double* losses = op.losses.data<double>();
  T* dlogits = op.dlogits.present() ? op.dlogits.data<T>() : nullptr;
  const double gradient_scale =
      op.gradient_scale * (op.state != nullptr ? op.state->loss_scale : 1);
  parallel_chunks(queue, rows, 64, [&](int64_t, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const T* row = logits + i * classes;
      const int32_t target = targets[i];
      T top = row[0];
#pragma omp simd reduction(max : top)
      for (int64_t j = 0; j < classes; ++j) top = std::max(top, row[j]);
      double sum = 0;
      for (int64_t j = 0; j < classes; ++j) sum += double(exponential(row[j] - top));
      losses[i] = std::log(sum) - double(row[target] - top);
      if (dlogits == nullptr) continue;
      T* gradient = dlogits + i * classes;
      const T scale = T(gradient_scale / sum);
      for (int64_t j = 0; j < classes; ++j) gradient[j] = scale * exponential(row[j] - top);
      gradient[target] -= T(gradient_scale);
    }
  });
}

}  // namespace

void run(Backend, Queue& queue, const CrossEntropy& op) {
  with_float_type(op.logits.dtype(), "CrossEntropy",
                  [&](auto t) { rows_of<decltype(t)>(queue, op); });
}

}  // namespace lacuna::cpu
