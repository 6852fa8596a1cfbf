#include "lacuna/tensor/runtime.h"

#include <sched.h>

#include "lacuna/base/error.h"

namespace lacuna {

Queue Queue::cpu(int threads) {
  require(threads >= 1, "Queue::cpu", "fewer than one thread");
  return Queue(threads);
}

Queue Queue::dry() {
  return Queue(0);
}

int available_threads() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

}  // namespace lacuna
