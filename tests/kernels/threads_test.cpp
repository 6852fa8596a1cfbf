#include <time.h>

#include <chrono>
#include <thread>

#include "../catch.h"
#include "../random_tensor.h"
#include "attention_reference.h"
#include "lacuna/kernels/linear.h"

using namespace lacuna;

namespace {

double seconds(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// The part of the processor time of `work` that other threads than the calling one took.
template <class Work>
double share_of_others(const Work& work) {
  work();  // wakes and warms up whatever there is
  // Threads of an earlier launch spin for a while before they go to sleep.
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  const double all = seconds(CLOCK_PROCESS_CPUTIME_ID), own = seconds(CLOCK_THREAD_CPUTIME_ID);
  while (seconds(CLOCK_THREAD_CPUTIME_ID) - own < 0.06) work();
  const double own_used = seconds(CLOCK_THREAD_CPUTIME_ID) - own;
  return 1 - own_used / (seconds(CLOCK_PROCESS_CPUTIME_ID) - all);
}

}  // namespace

TEST_CASE("A queue of one thread computes on one thread, whatever ran before it") {
  Random random(1200);
  const Tensor x = random.tensor<float>({256, 256}), weight = random.tensor<float>({256, 256});
  Guarded<float> y(Shape{256, 256});
  const auto linear = [&](int threads) {
    Queue queue = Queue::cpu(threads);
    launch(queue, LinearForward{.x = x, .weight = weight, .y = y});
  };
  AttentionProblem<float> problem({"dense()", 256, 1, 1, 64, 64}, 1201);
  for (int round = 0; round < 2; ++round) {
    CHECK(share_of_others([&] { linear(1); }) < 0.2);
    CHECK(share_of_others([&] { problem.forward(Queue::cpu(1)); }) < 0.2);
    linear(2);
  }
}
