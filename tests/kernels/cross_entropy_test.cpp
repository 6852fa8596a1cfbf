#include "lacuna/kernels/cross_entropy.h"

#include "../catch.h"
#include "../compare.h"
#include "../random_tensor.h"
#include "tolerances.h"

using namespace lacuna;

namespace {

struct Result {
  std::vector<double> losses, dlogits;
  bool intact;
};

enum class Gradient { kNone, kApart, kInPlace };

template <class T>
Result run(const View& logits, const View& targets, Gradient gradient, double scale = 1,
           int threads = 2) {
  Guarded<double> losses(Shape{logits.size(0)});
  Guarded<T> apart(logits.shape()), in_place(logits);
  const View dlogits = gradient == Gradient::kApart     ? apart.view()
                       : gradient == Gradient::kInPlace ? in_place.view()
                                                        : View();
  Queue queue = Queue::cpu(threads);
  launch(queue, CrossEntropy{.logits = gradient == Gradient::kInPlace ? in_place.view() : logits,
                             .targets = targets,
                             .losses = losses,
                             .dlogits = dlogits,
                             .gradient_scale = scale});
  const std::vector<T> values = (gradient == Gradient::kInPlace ? in_place : apart).values();
  return {losses.values(),
          {values.begin(), values.end()},
          losses.intact() && apart.intact() && in_place.intact()};
}

/// -log softmax(logits)[target] and its gradient, by sums of exponentials in long double.
template <class T>
Result formulas(const View& logits, const View& targets, double scale) {
  Result result{{}, {}, true};
  const int64_t classes = logits.size(1);
  for (int64_t i = 0; i < logits.size(0); ++i) {
    const T* row = logits.data<T>() + i * classes;
    const int32_t target = targets.data<int32_t>()[i];
    long double sum = 0;
    for (int64_t j = 0; j < classes; ++j) sum += std::exp(static_cast<long double>(row[j]));
    result.losses.push_back(static_cast<double>(std::log(sum) - row[target]));
    for (int64_t j = 0; j < classes; ++j) {
      const long double p = std::exp(static_cast<long double>(row[j])) / sum;
      result.dlogits.push_back(scale * static_cast<double>(p - (j == target ? 1 : 0)));
    }
  }
  return result;
}

/// Largest difference: losses and gradients are differences of larger numbers, so a confident
/// prediction leaves few digits of its small loss and gradient.
double absolute_error(const std::vector<double>& got, const std::vector<double>& wanted) {
  double worst = 0;
  for (size_t i = 0; i < wanted.size(); ++i) {
    const double difference = std::fabs(got[i] - wanted[i]);
    if (!(difference <= worst)) worst = difference;  // also for NaN
  }
  return worst;
}

template <class T>
void check_sizes() {
  Random random(500);
  for (const auto& [rows, classes] :
       {std::pair{1, 1}, {1, 2}, {63, 17}, {64, 256}, {65, 255}, {257, 5}, {3, 257}}) {
    CAPTURE(rows, classes);
    const Tensor logits = random.tensor<T>({rows, classes}, -8, 8);
    const Tensor targets = random.tokens({rows}, classes);
    const Result wanted = formulas<T>(logits, targets, 0.37);
    for (const Gradient gradient : {Gradient::kNone, Gradient::kApart, Gradient::kInPlace}) {
      const Result got = run<T>(logits, targets, gradient, 0.37);
      CHECK(absolute_error(got.losses, wanted.losses) <= kTolerances<T>.cross_entropy);
      CHECK(got.intact);
      if (gradient == Gradient::kNone) continue;
      CHECK(absolute_error(got.dlogits, wanted.dlogits) <= kTolerances<T>.cross_entropy);
    }
  }
}

template <class T>
Tensor rows_of(const std::vector<std::vector<double>>& rows) {
  Tensor made = Tensor::zeros({int64_t(rows.size()), int64_t(rows[0].size())}, DTypeOf<T>::value);
  T* to = made.view().data<T>();
  for (const auto& row : rows)
    to = std::transform(row.begin(), row.end(), to, [](double x) { return T(x); });
  return made;
}

template <class T>
void check_extremes() {
  // Far beyond the range of exp(): ties at the top, a target far below it, one far above the rest.
  const Tensor logits = rows_of<T>(
      {{10000, 10000, -10000}, {1e30, 0, 0}, {-10000, 0, -10000}, {-1e30, -1e30, -1e30}});
  const Tensor targets = Tensor::zeros({4}, DType::kI32);
  for (const Gradient gradient : {Gradient::kApart, Gradient::kInPlace}) {
    const Result got = run<T>(logits, targets, gradient);
    CHECK(got.losses[0] == Approx(std::log(2.0)).epsilon(1e-14));
    CHECK(got.losses[1] == 0);
    CHECK(got.losses[2] == 10000);
    CHECK(got.losses[3] == Approx(std::log(3.0)).epsilon(1e-14));
    const std::vector<double> wanted{-0.5, 0.5, 0, 0, 0, 0, -1, 1, 0, -2.0 / 3, 1.0 / 3, 1.0 / 3};
    CHECK(relative_error(got.dlogits, wanted) <= 2 * kUnit<T>);
  }
}

}  // namespace

TEST_CASE("Cross-entropy and its gradient are the formula, in f64") {
  check_sizes<double>();
}
TEST_CASE("Cross-entropy and its gradient are the formula, in f32") {
  check_sizes<float>();
}

TEST_CASE("Equal logits cost the logarithm of the number of classes") {
  for (const double value : {0.0, -3.5, 700.0, 1e4}) {
    const Tensor logits = rows_of<float>({std::vector<double>(256, value)});
    const Result got = run<float>(logits, Tensor::zeros({1}, DType::kI32), Gradient::kApart);
    CHECK(got.losses[0] == Approx(std::log(256.0)).epsilon(1e-15));
    CHECK(got.dlogits[0] == -255.0 / 256);
    CHECK(got.dlogits[255] == 1.0 / 256);
  }
}

TEST_CASE("Cross-entropy of large logits neither overflows nor loses the target, in f64") {
  check_extremes<double>();
}
TEST_CASE("Cross-entropy of large logits neither overflows nor loses the target, in f32") {
  check_extremes<float>();
}

TEST_CASE("Cross-entropy gives the same bits on any number of threads, in place or apart") {
  Random random(501);
  const Tensor logits = random.tensor<float>({257, 33}, -8, 8);
  const Tensor targets = random.tokens({257}, 33);
  const Result one = run<float>(logits, targets, Gradient::kApart, 1, 1);
  for (const int threads : {1, 2, 3}) {
    for (const Gradient gradient : {Gradient::kApart, Gradient::kInPlace}) {
      const Result other = run<float>(logits, targets, gradient, 1, threads);
      CHECK(same_bits(one.losses, other.losses));
      CHECK(same_bits(one.dlogits, other.dlogits));
    }
  }
}

TEST_CASE("A NaN among the logits is not hidden, and stays in its row") {
  Random random(502);
  const Tensor logits = random.tensor<float>({3, 5});
  logits.view().data<float>()[7] = std::numeric_limits<float>::quiet_NaN();
  const Result got = run<float>(logits, Tensor::zeros({3}, DType::kI32), Gradient::kApart);
  CHECK(std::isnan(got.losses[1]));
  CHECK(std::isfinite(got.losses[0]));
  CHECK(std::isfinite(got.losses[2]));
  for (int j = 0; j < 5; ++j) CHECK(std::isfinite(got.dlogits[size_t(10 + j)]));
}
