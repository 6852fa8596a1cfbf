#include "lacuna/kernels/adamw.h"

#include "../catch.h"
#include "../compare.h"
#include "../random_tensor.h"
#include "tolerances.h"

using namespace lacuna;

namespace {

constexpr double kBeta1 = 0.9, kBeta2 = 0.999, kEps = 1e-8, kDecay = 0.01, kRate = 0.01;

/// One weight as the released code of the paper updates it: the bias correction is folded into the
/// learning rate, eps is added to the uncorrected root, and decay is decoupled: p -= lr_t wd p.
struct Scalar {
  double weight, mean = 0, variance = 0, average;

  void step(int t, double gradient, double rate, double decay, double keep) {
    const double corrected = rate * std::sqrt(1 - std::pow(kBeta2, t)) / (1 - std::pow(kBeta1, t));
    mean += (1 - kBeta1) * (gradient - mean);
    variance += (1 - kBeta2) * (gradient * gradient - variance);
    const double direction = mean / (std::sqrt(variance) + kEps);
    weight = weight * (1 - corrected * decay) - corrected * direction;
    average += (1 - keep) * (weight - average);
  }
};

template <class T>
struct Problem {
  Problem(int64_t n, uint64_t seed)
      : random(seed),
        start(random.tensor<T>({n})),
        zero(Tensor::zeros({n}, DTypeOf<T>::value)),
        weight(start.view()),
        mean(zero.view()),
        variance(zero.view()),
        average(start.view()) {}

  /// Gradients of very different sizes, some zero.
  Tensor gradient() {
    Tensor made = random.tensor<T>(start.shape());
    T* values = made.view().template data<T>();
    for (int64_t i = 0; i < made.shape().count(); ++i) {
      values[i] = i % 7 == 0 ? T(0) : T(std::ldexp(double(values[i]), int(i % 40) - 30));
    }
    return made;
  }

  /// Update number t of a run; a clip factor that differs from step to step.
  void step(int t, const Tensor& gradient, double decay, bool averages, int threads) {
    StepState state;
    state.learning_rate = kRate;
    state.updates = t;
    state.gradient_scale = scale(t);
    state.average_decay = keep(t);
    Queue queue = Queue::cpu(threads);
    launch(queue, AdamW{.range = {.weight = weight,
                                  .gradient = gradient,
                                  .average = averages ? average.view() : View()},
                        .mean = mean,
                        .variance = variance,
                        .rate = rate,
                        .beta1 = kBeta1,
                        .beta2 = kBeta2,
                        .eps = kEps,
                        .decay = decay,
                        .state = &state});
  }
  static double scale(int t) { return t % 2 == 0 ? 1 : 0.25; }
  static double keep(int t) { return (1.0 + t) / (10.0 + t); }

  Random random;
  Tensor start, zero, rate = Tensor::zeros({1}, DType::kF64);
  Guarded<T> weight, mean, variance, average;
};

template <class T>
void check_steps() {
  for (const int64_t n : {1, 15, 8191, 8192, 8193}) {
    for (const double decay : {0.0, kDecay}) {
      CAPTURE(n, decay);
      Problem<T> p(n, 600 + static_cast<uint64_t>(n));
      std::vector<Scalar> wanted;
      for (const T start : elements<T>(p.start)) wanted.push_back({start, 0, 0, start});
      for (int t = 1; t <= 6; ++t) {
        const Tensor gradient = p.gradient();
        p.step(t, gradient, decay, true, 2);
        for (size_t i = 0; i < wanted.size(); ++i) {
          wanted[i].step(t, gradient.view().template data<T>()[i] * p.scale(t), kRate, decay,
                         p.keep(t));
        }
      }
      const auto column = [&](double Scalar::*field) {
        std::vector<double> values;
        for (const Scalar& scalar : wanted) values.push_back(scalar.*field);
        return values;
      };
      CHECK(relative_error(p.weight.values(), column(&Scalar::weight)) <= kTolerances<T>.adamw);
      CHECK(relative_error(p.mean.values(), column(&Scalar::mean)) <= kTolerances<T>.adamw);
      CHECK(relative_error(p.variance.values(), column(&Scalar::variance)) <= kTolerances<T>.adamw);
      CHECK(relative_error(p.average.values(), column(&Scalar::average)) <= kTolerances<T>.adamw);
      CHECK((p.weight.intact() && p.mean.intact() && p.variance.intact() && p.average.intact()));
    }
  }
}

}  // namespace

TEST_CASE("AdamW does what the released code of the paper does, in f64") {
  check_steps<double>();
}
TEST_CASE("AdamW does what the released code of the paper does, in f32") {
  check_steps<float>();
}

TEST_CASE("AdamW keeps no average where none is asked for, and updates the same") {
  Problem<double> with(100, 1), without(100, 1);
  const Tensor gradient = with.gradient();
  with.step(1, gradient, kDecay, true, 1);
  without.step(1, gradient, kDecay, false, 1);
  CHECK(same_bits(with.weight.values(), without.weight.values()));
  CHECK(same_bits(without.average.values(), elements<double>(without.start)));
}

TEST_CASE("AdamW gives the same bits on any number of threads") {
  const auto results = [](int threads) {
    Problem<float> p(20000, 2);
    for (int t = 1; t <= 3; ++t) p.step(t, p.gradient(), kDecay, true, threads);
    std::vector<float> all = p.weight.values();
    for (const auto& more : {p.mean.values(), p.variance.values(), p.average.values()}) {
      all.insert(all.end(), more.begin(), more.end());
    }
    return all;
  };
  const std::vector<float> one = results(1);
  CHECK(same_bits(one, results(1)));
  CHECK(same_bits(one, results(2)));
  CHECK(same_bits(one, results(3)));
}
