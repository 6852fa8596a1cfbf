#include "lacuna/kernels/adamw.h"

#include "tolerances.h"
#include "update_problem.h"

using namespace lacuna;

namespace {

constexpr double kBeta1 = 0.9, kBeta2 = 0.999, kEps = 1e-8, kDecay = 0.01;

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
struct Problem : UpdateProblem<T> {
  Problem(int64_t n, uint64_t seed)
      : UpdateProblem<T>(n, seed), mean(this->zero.view()), variance(this->zero.view()) {}

  /// Of very different sizes, some zero.
  Tensor gradient() {
    Tensor made = UpdateProblem<T>::gradient();
    T* values = made.view().template data<T>();
    for (int64_t i = 0; i < made.shape().count(); ++i) {
      values[i] = T(std::ldexp(double(values[i]), int(i % 40) - 30));
    }
    return made;
  }

  void step(int t, const Tensor& gradient, double decay, bool averages, int threads) {
    const StepState state = this->state(t);
    FlatRange range = this->range(gradient);
    if (!averages) range.average = {};
    Queue queue = Queue::cpu(threads);
    launch(queue, AdamW{.range = range,
                        .mean = mean,
                        .variance = variance,
                        .rate = rate,
                        .beta1 = kBeta1,
                        .beta2 = kBeta2,
                        .eps = kEps,
                        .decay = decay,
                        .state = &state});
  }

  Tensor rate = Tensor::zeros({1}, DType::kF64);
  Guarded<T> mean, variance;
};

template <class T>
void check_steps() {
  for (const int64_t n : kUpdateSizes) {
    for (const double decay : {0.0, kDecay}) {
      CAPTURE(n, decay);
      Problem<T> p(n, 600 + static_cast<uint64_t>(n));
      std::vector<Scalar> wanted;
      for (const T start : elements<T>(p.start)) wanted.push_back({start, 0, 0, start});
      for (int t = 1; t <= 6; ++t) {
        const Tensor gradient = p.gradient();
        p.step(t, gradient, decay, true, 2);
        for (size_t i = 0; i < wanted.size(); ++i) {
          wanted[i].step(t, gradient.view().template data<T>()[i] * p.scale(t), kUpdateRate, decay,
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
  check_threads([](int threads) {
    Problem<float> p(20000, 2);
    for (int t = 1; t <= 3; ++t) p.step(t, p.gradient(), kDecay, true, threads);
    return std::vector{p.weight.values(), p.mean.values(), p.variance.values(), p.average.values()};
  });
}
