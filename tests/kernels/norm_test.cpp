// The plain norm and the residual seam, which share their arithmetic, against the same formula.
#include <functional>

#include "../catch.h"
#include "../compare.h"
#include "../random_tensor.h"
#include "lacuna/kernels/layernorm.h"
#include "lacuna/kernels/residual_norm.h"
#include "tolerances.h"

using namespace lacuna;

namespace {

struct Size {
  int64_t batch, length, width;
};

// No width below 5: such rows cancel in dx almost entirely and say little.
const Size kSizes[] = {{1, 1, 19}, {1, 63, 17}, {2, 32, 16}, {1, 65, 33},
                       {3, 85, 5}, {1, 256, 7}, {1, 257, 9}, {2, 3, 257}};

struct Rows {
  std::vector<double> y, mean, rstd, dx, dgain, dbias;
};

/// Layer normalisation of `x` and its gradient, from the definition: mean and variance of each row;
/// dx through the Jacobian d xhat_j / d x_k = rstd (delta_jk - 1/C - xhat_j xhat_k / C).
Rows formulas(const std::vector<double>& x, const std::vector<double>& gain,
              const std::vector<double>& bias, double eps, const std::vector<double>& dy,
              std::vector<double> dgain, std::vector<double> dbias) {
  const size_t width = gain.size();
  const auto c = static_cast<double>(width);
  Rows rows{std::vector<double>(x.size()),
            {},
            {},
            std::vector<double>(x.size()),
            std::move(dgain),
            std::move(dbias)};
  for (size_t at = 0; at < x.size(); at += width) {
    double mean = 0, variance = 0;
    for (size_t j = 0; j < width; ++j) mean += x[at + j] / c;
    for (size_t j = 0; j < width; ++j) variance += (x[at + j] - mean) * (x[at + j] - mean) / c;
    const double rstd = 1 / std::sqrt(variance + eps);
    rows.mean.push_back(mean);
    rows.rstd.push_back(rstd);
    const auto xhat = [&](size_t j) { return (x[at + j] - mean) * rstd; };
    for (size_t j = 0; j < width; ++j) {
      rows.y[at + j] = xhat(j) * gain[j] + bias[j];
      rows.dgain[j] += dy[at + j] * xhat(j);
      rows.dbias[j] += dy[at + j];
      for (size_t k = 0; k < width; ++k) {
        const double slope = rstd * ((j == k ? 1 : 0) - 1 / c - xhat(j) * xhat(k) / c);
        rows.dx[at + k] += dy[at + j] * gain[j] * slope;
      }
    }
  }
  return rows;
}

template <class T>
std::vector<double> widened(const View& view) {
  const std::vector<T> values = elements<T>(view);
  return {values.begin(), values.end()};
}

/// Both kernels on the same sizes; the seam with dropout off.
template <class T>
struct Problem {
  Problem(const Size& s, uint64_t seed)
      : random(seed),
        shape{s.batch, s.length, s.width},
        x(random.tensor<T>(shape, -1, 3)),
        branch(random.tensor<T>(shape)),
        grad(random.tensor<T>(shape)),
        sum_grad(random.tensor<T>(shape)),
        gain(random.tensor<T>({s.width}, 0.5, 1.5)),
        bias(random.tensor<T>({s.width})),
        gain_start(random.tensor<T>({s.width})),
        bias_start(random.tensor<T>({s.width})),
        y(shape),
        sum(shape),
        mean({s.batch * s.length}),
        rstd({s.batch * s.length}),
        dx(shape),
        dbranch(shape),
        dgain(gain_start),
        dbias(bias_start) {}

  void run_norm(Queue queue) {
    const Shape rows{shape[0] * shape[1], shape[2]};
    const View x_rows = x.view().reshaped(rows);
    launch(queue, LayerNormForward{.x = x_rows,
                                   .gain = gain,
                                   .bias = bias,
                                   .y = y.view().reshaped(rows),
                                   .mean = mean,
                                   .rstd = rstd,
                                   .eps = eps});
    launch(queue, LayerNormBackward{.x = x_rows,
                                    .gain = gain,
                                    .mean = mean,
                                    .rstd = rstd,
                                    .dy = grad.view().reshaped(rows),
                                    .dx = dx.view().reshaped(rows),
                                    .dgain = dgain,
                                    .dbias = dbias});
  }
  void run_seam(Queue queue, bool sum_is_read, const Dropout& dropout = {}) {
    launch(queue, ResidualNormForward{.residual = x,
                                      .branch = branch,
                                      .gain = gain,
                                      .bias = bias,
                                      .sum = sum,
                                      .y = y,
                                      .mean = mean,
                                      .rstd = rstd,
                                      .eps = eps,
                                      .dropout = dropout});
    launch(queue, ResidualNormBackward{.sum = sum,
                                       .gain = gain,
                                       .mean = mean,
                                       .rstd = rstd,
                                       .dy = grad,
                                       .dsum = sum_is_read ? sum_grad.view() : View(),
                                       .dresidual = dx,
                                       .dbranch = dbranch,
                                       .dgain = dgain,
                                       .dbias = dbias,
                                       .dropout = dropout});
  }
  Rows wanted(const std::vector<double>& input) const {
    return formulas(input, widened<T>(gain), widened<T>(bias), eps, widened<T>(grad),
                    widened<T>(gain_start), widened<T>(bias_start));
  }
  bool intact() const {
    return y.intact() && sum.intact() && mean.intact() && rstd.intact() && dx.intact() &&
           dbranch.intact() && dgain.intact() && dbias.intact();
  }
  void check(const Rows& rows) const {
    const double tolerance = kTolerances<T>.norm;
    CHECK(relative_error(y.values(), rows.y) <= tolerance);
    CHECK(relative_error(mean.values(), rows.mean) <= tolerance);
    CHECK(relative_error(rstd.values(), rows.rstd) <= tolerance);
    CHECK(relative_error(dx.values(), rows.dx) <= tolerance);
    CHECK(relative_error(dgain.values(), rows.dgain) <= tolerance);
    CHECK(relative_error(dbias.values(), rows.dbias) <= tolerance);
    CHECK(intact());
  }

  static constexpr double eps = 1e-3;  // large enough to be missed when it is forgotten
  Random random;
  Shape shape;
  Tensor x, branch, grad, sum_grad, gain, bias, gain_start, bias_start;
  Guarded<T> y, sum, mean, rstd, dx, dbranch, dgain, dbias;
};

template <class T>
void check_norm() {
  uint64_t seed = 200;
  for (const Size& size : kSizes) {
    CAPTURE(size.batch, size.length, size.width);
    Problem<T> p(size, seed++);
    p.run_norm(Queue::cpu(2));
    p.check(p.wanted(widened<T>(p.x)));
  }
}

template <class T>
void check_seam() {
  uint64_t seed = 300;
  for (const Size& size : kSizes) {
    for (const bool sum_is_read : {true, false}) {
      CAPTURE(size.batch, size.length, size.width, sum_is_read);
      Problem<T> p(size, seed++);
      p.run_seam(Queue::cpu(2), sum_is_read);
      std::vector<double> sum = widened<T>(p.x);
      const std::vector<double> branch = widened<T>(p.branch), more = widened<T>(p.sum_grad);
      // The sum is rounded to its type before it is normalised.
      for (size_t i = 0; i < sum.size(); ++i) sum[i] = static_cast<T>(sum[i] + branch[i]);
      CHECK(relative_error(p.sum.values(), sum) == 0);
      Rows rows = p.wanted(sum);
      for (size_t i = 0; sum_is_read && i < sum.size(); ++i) rows.dx[i] += more[i];
      p.check(rows);
      CHECK(same_bits(p.dbranch.values(), p.dx.values()));
    }
  }
}

}  // namespace

TEST_CASE("Layer normalisation and its gradient are the formula, in f64") {
  check_norm<double>();
}
TEST_CASE("Layer normalisation and its gradient are the formula, in f32") {
  check_norm<float>();
}
TEST_CASE("The residual seam and its gradient are the formula, in f64") {
  check_seam<double>();
}
TEST_CASE("The residual seam and its gradient are the formula, in f32") {
  check_seam<float>();
}

TEST_CASE("Layer normalisation keeps its digits when the mean is large") {
  // A one-pass variance E[x^2] - E[x]^2 would lose all of them in f32.
  Problem<float> p({1, 4, 64}, 9);
  for (int64_t i = 0; i < p.shape.count(); ++i) p.x.view().data<float>()[i] += 4096;
  p.run_norm(Queue::cpu(1));
  CHECK(relative_error(p.y.values(), p.wanted(widened<float>(p.x)).y) <
        4096 * kTolerances<float>.norm);
}

TEST_CASE("Norms give the same bits on any number of threads") {
  StepState state;
  state.inputs.dropout_key = random_key(1, RandomUse::kDropout, 1);
  const auto results = [&](int threads) {
    std::vector<float> all;
    Problem<float> norm({3, 85, 17}, 10), seam({3, 85, 17}, 11);
    norm.run_norm(Queue::cpu(threads));
    seam.run_seam(Queue::cpu(threads), true, {.rate = 0.3, .site = 2, .state = &state});
    for (const Problem<float>* p : {&norm, &seam}) {
      for (const Guarded<float>* out : {&p->y, &p->mean, &p->rstd, &p->dx, &p->dgain, &p->dbias}) {
        const std::vector<float> values = out->values();
        all.insert(all.end(), values.begin(), values.end());
      }
    }
    return all;
  };
  const std::vector<float> one = results(1);
  CHECK(same_bits(one, results(1)));
  CHECK(same_bits(one, results(2)));
  CHECK(same_bits(one, results(3)));
}
