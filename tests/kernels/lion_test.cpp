#include "lacuna/kernels/lion.h"

#include "tolerances.h"
#include "update_problem.h"

using namespace lacuna;

namespace {

constexpr double kBeta1 = 0.9, kBeta2 = 0.99, kDecay = 0.1;

/// One weight by algorithm 2 of the paper, where the step is told apart from the decay.
struct Scalar {
  double weight, momentum = 0, average;
  bool clear = true;  // the number whose sign decides was never near 0

  void step(double gradient, double decay, double keep) {
    const double c = momentum + (1 - kBeta1) * (gradient - momentum);
    clear = clear && (c == 0 || std::fabs(c) > 1e-5);
    const double direction = c > 0 ? 1 : c < 0 ? -1 : 0;
    momentum += (1 - kBeta2) * (gradient - momentum);
    weight = weight * (1 - kUpdateRate * decay) - kUpdateRate * direction;
    average += (1 - keep) * (weight - average);
  }
};

template <class T>
struct Problem : UpdateProblem<T> {
  Problem(int64_t n, uint64_t seed) : UpdateProblem<T>(n, seed), momentum(this->zero.view()) {}

  void step(int t, const Tensor& gradient, double decay, int threads) {
    const StepState state = this->state(t);
    Queue queue = Queue::cpu(threads);
    launch(queue, Lion{.range = this->range(gradient),
                       .momentum = momentum,
                       .beta1 = kBeta1,
                       .beta2 = kBeta2,
                       .decay = decay,
                       .state = &state});
  }

  Guarded<T> momentum;
};

template <class T>
void check_steps() {
  for (const int64_t n : kUpdateSizes) {
    for (const double decay : {0.0, kDecay}) {
      CAPTURE(n, decay);
      Problem<T> p(n, 700 + static_cast<uint64_t>(n));
      std::vector<Scalar> all;
      for (const T start : elements<T>(p.start)) all.push_back({start, 0, start});
      for (int t = 1; t <= 6; ++t) {
        const Tensor gradient = p.gradient();
        p.step(t, gradient, decay, 2);
        for (size_t i = 0; i < all.size(); ++i) {
          all[i].step(gradient.view().template data<T>()[i] * p.scale(t), decay, p.keep(t));
        }
      }
      std::vector<double> got[3], want[3];
      for (size_t i = 0; i < all.size(); ++i) {
        if (!all[i].clear) continue;  // f32 may see the other sign
        got[0].push_back(p.weight.values()[i]);
        got[1].push_back(p.momentum.values()[i]);
        got[2].push_back(p.average.values()[i]);
        want[0].push_back(all[i].weight);
        want[1].push_back(all[i].momentum);
        want[2].push_back(all[i].average);
      }
      CHECK(2 * got[0].size() > all.size());
      for (int k = 0; k < 3; ++k) {
        CAPTURE(k);
        CHECK(relative_error(got[k], want[k]) <= kTolerances<T>.lion);
      }
      CHECK((p.weight.intact() && p.momentum.intact() && p.average.intact()));
    }
  }
}

}  // namespace

TEST_CASE("Lion does what its paper says, in f64") {
  check_steps<double>();
}
TEST_CASE("Lion does what its paper says, in f32") {
  check_steps<float>();
}

TEST_CASE("Lion moves a weight by the rate, whatever the size of its gradient, or not at all") {
  Problem<double> p(100, 1);
  const Tensor gradient = p.gradient();
  p.step(1, gradient, 0, 1);
  for (size_t i = 0; i < 100; ++i) {
    const double g = gradient.view().data<double>()[i];
    const double moved = p.weight.values()[i] - elements<double>(p.start)[i];
    CHECK(moved == Approx(g == 0 ? 0 : g > 0 ? -kUpdateRate : kUpdateRate).margin(1e-15));
  }
}

TEST_CASE("Lion gives the same bits on any number of threads") {
  check_threads([](int threads) {
    Problem<float> p(20000, 2);
    for (int t = 1; t <= 3; ++t) p.step(t, p.gradient(), kDecay, threads);
    return std::vector{p.weight.values(), p.momentum.values(), p.average.values()};
  });
}
