// Numbers that follow from the update's index alone.
#pragma once

#include <cstdint>

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

}  // namespace lacuna::optim
