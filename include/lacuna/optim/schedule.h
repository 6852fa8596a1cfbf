// Numbers that follow from the update's index alone, and the norm that gradients are clipped by.
#pragma once

#include <cstdint>

#include "lacuna/nn/parameters.h"

namespace lacuna::optim {

struct Schedule {
  double learning_rate = 0;  // the peak
  int64_t warmup = 0;        // updates of linear growth from 0
  int64_t total = 0;         // updates; the cosine from the end of the warm-up reaches 0 here
  double average_decay = 0;  // of the weight average; 0: no average

  /// Learning rate of the `update`-th update (from 1).
  double rate(int64_t update) const;
  /// min(average_decay, (1 + update) / (10 + update)): a short run's average forgets its start.
  double decay(int64_t update) const;
};

/// Square root of the sum of squares of all gradients: per tensor in f64, tensors in order of
/// execution, so that it does not depend on threads.
double gradient_norm(Queue& queue, const nn::ParameterStore& parameters);

}  // namespace lacuna::optim
