// What the tests of optimizers share: weights with their average, and steps of a run whose clip
// factors and decays of the average differ.
#pragma once

#include "../catch.h"
#include "../compare.h"
#include "../random_tensor.h"
#include "lacuna/kernels/flat_range.h"
#include "lacuna/kernels/step_state.h"

constexpr int64_t kUpdateSizes[] = {1, 15, 8191, 8192, 8193};
constexpr double kUpdateRate = 0.01;

template <class T>
struct UpdateProblem {
  UpdateProblem(int64_t n, uint64_t seed)
      : random(seed),
        start(random.tensor<T>({n})),
        zero(lacuna::Tensor::zeros({n}, lacuna::DTypeOf<T>::value)),
        weight(start.view()),
        average(start.view()) {}

  /// Some are zero from the first step on, so that the step is 0, too.
  lacuna::Tensor gradient() {
    lacuna::Tensor made = random.tensor<T>(start.shape());
    T* values = made.view().template data<T>();
    for (int64_t i = 0; i < made.shape().count(); i += 7) values[i] = T(0);
    return made;
  }
  lacuna::FlatRange range(const lacuna::Tensor& gradient) {
    return {.weight = weight, .gradient = gradient, .average = average, .rounded = {}};
  }

  /// Of update number t of a run.
  static lacuna::StepState state(int t) {
    lacuna::StepState state;
    state.learning_rate = kUpdateRate;
    state.updates = t;
    state.gradient_scale = scale(t);
    state.average_decay = keep(t);
    return state;
  }
  static double scale(int t) { return t % 2 == 0 ? 1 : 0.25; }
  static double keep(int t) { return (1.0 + t) / (10.0 + t); }

  Random random;
  lacuna::Tensor start, zero;
  Guarded<T> weight, average;
};

/// `buffers_after(threads)`: what a few updates on so many threads leave, buffer by buffer.
template <class BuffersAfter>
void check_threads(const BuffersAfter& buffers_after) {
  const auto one = buffers_after(1);
  for (const int threads : {1, 2, 3}) {
    const auto more = buffers_after(threads);
    for (size_t k = 0; k < one.size(); ++k) CHECK(same_bits(one[k], more[k]));
  }
}
