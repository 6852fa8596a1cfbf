#include "lacuna/kernels/linear.h"

#include "../catch.h"
#include "../compare.h"
#include "../random_tensor.h"
#include "tolerances.h"

using namespace lacuna;

namespace {

struct Case {
  int64_t rows, in, out;
  bool bias;
  Activation activation;
};

constexpr Activation kNone = Activation::kNone, kGelu = Activation::kQuickGelu;

// Rows around the chunks of 64 and 256, widths that are no multiple of 16.
const Case kCases[] = {
    {1, 1, 1, true, kGelu},      {1, 17, 5, false, kNone},   {63, 15, 33, true, kGelu},
    {64, 16, 16, true, kNone},   {65, 17, 31, false, kGelu}, {255, 3, 7, true, kGelu},
    {256, 8, 4, false, kNone},   {257, 5, 65, true, kNone},  {2, 256, 3, true, kGelu},
    {3, 257, 255, false, kNone}, {257, 65, 63, true, kGelu},
};

/// Inputs, and outputs of both directions. Gradients of parameters start from random numbers.
template <class T>
struct Problem {
  explicit Problem(const Case& c, uint64_t seed)
      : shape(c),
        random(seed),
        x(random.tensor<T>({c.rows, c.in})),
        weight(random.tensor<T>({c.out, c.in})),
        bias(random.tensor<T>({c.out})),
        grad(random.tensor<T>({c.rows, c.out})),
        dweight_start(random.tensor<T>({c.out, c.in})),
        dbias_start(random.tensor<T>({c.out})),
        y({c.rows, c.out}),
        z({c.rows, c.out}),
        dy(grad),
        dx({c.rows, c.in}),
        dweight(dweight_start),
        dbias(dbias_start) {}

  void run(Queue queue, bool keep_z = true, bool want_dx = true) {
    const bool active = shape.activation != kNone;
    launch(queue, LinearForward{.x = x,
                                .weight = weight,
                                .bias = shape.bias ? bias.view() : View(),
                                .preactivation = active && keep_z ? z.view() : View(),
                                .y = y,
                                .activation = shape.activation});
    if (!keep_z) return;
    launch(queue, LinearBackward{.x = x,
                                 .weight = weight,
                                 .preactivation = active ? z.view() : View(),
                                 .dy = dy,
                                 .dx = want_dx ? dx.view() : View(),
                                 .dweight = dweight,
                                 .dbias = shape.bias ? dbias.view() : View(),
                                 .activation = shape.activation});
  }
  bool intact() const {
    return y.intact() && z.intact() && dy.intact() && dx.intact() && dweight.intact() &&
           dbias.intact();
  }

  Case shape;
  Random random;
  Tensor x, weight, bias, grad, dweight_start, dbias_start;
  Guarded<T> y, z, dy, dx, dweight, dbias;
};

struct Wanted {
  std::vector<double> z, y, dz, dx, dweight, dbias;
};

/// The formulas of the header, one element after the other, in double.
template <class T>
Wanted formulas(const Problem<T>& p) {
  const auto [rows, in, out, with_bias, activation] = p.shape;
  const std::vector<T> x = elements<T>(p.x), w = elements<T>(p.weight), dy = elements<T>(p.grad);
  const std::vector<T> b = elements<T>(p.bias), dw = elements<T>(p.dweight_start);
  const std::vector<T> db = elements<T>(p.dbias_start);
  Wanted wanted{
      {}, {}, {}, std::vector<double>(x.size()), {dw.begin(), dw.end()}, {db.begin(), db.end()}};
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t o = 0; o < out; ++o) {
      double z = with_bias ? double(b[size_t(o)]) : 0;
      for (int64_t k = 0; k < in; ++k) z += double(x[size_t(i * in + k)]) * w[size_t(o * in + k)];
      const double s = 1 / (1 + std::exp(-1.702 * z));
      const bool active = activation == kGelu;
      wanted.z.push_back(z);
      wanted.y.push_back(active ? z * s : z);
      const double slope = active ? s + 1.702 * z * s * (1 - s) : 1;
      const double dz = slope * dy[size_t(i * out + o)];
      wanted.dz.push_back(dz);
      wanted.dbias[size_t(o)] += dz;
      for (int64_t k = 0; k < in; ++k) {
        wanted.dx[size_t(i * in + k)] += dz * w[size_t(o * in + k)];
        wanted.dweight[size_t(o * in + k)] += dz * x[size_t(i * in + k)];
      }
    }
  }
  return wanted;
}

template <class T>
void check_all_cases() {
  const double tolerance = kTolerances<T>.linear;
  uint64_t seed = 100;
  for (const Case& c : kCases) {
    CAPTURE(c.rows, c.in, c.out, c.bias, c.activation == kGelu);
    Problem<T> p(c, seed++);
    p.run(Queue::cpu(2));
    const Wanted wanted = formulas(p);
    CHECK(relative_error(p.y.values(), wanted.y) <= tolerance);
    if (c.activation == kGelu) {
      CHECK(relative_error(p.z.values(), wanted.z) <= tolerance);
      Guarded<T> again(p.y.view().shape());
      Queue queue = Queue::cpu(2);
      launch(queue, Activate{.preactivation = p.z, .y = again, .activation = kGelu});
      CHECK(same_bits(again.values(), p.y.values()));
      CHECK(again.intact());
    }
    CHECK(relative_error(p.dy.values(), wanted.dz) <= tolerance);
    CHECK(relative_error(p.dx.values(), wanted.dx) <= tolerance);
    CHECK(relative_error(p.dweight.values(), wanted.dweight) <= tolerance);
    if (c.bias) CHECK(relative_error(p.dbias.values(), wanted.dbias) <= tolerance);
    if (!c.bias) CHECK(same_bits(p.dbias.values(), elements<T>(p.dbias_start)));
    CHECK(p.intact());
  }
}

}  // namespace

TEST_CASE("The linear layer and its gradient are the formula, in f64") {
  check_all_cases<double>();
}

TEST_CASE("The linear layer and its gradient are the formula, in f32") {
  check_all_cases<float>();
}

TEST_CASE("The linear layer needs no place for what no backward pass will read") {
  const Case c{65, 17, 31, true, kGelu};
  Problem<double> full(c, 7), evaluated(c, 7), first_layer(c, 7);
  full.run(Queue::cpu(1));
  evaluated.run(Queue::cpu(1), false);
  CHECK(same_bits(full.y.values(), evaluated.y.values()));
  first_layer.run(Queue::cpu(1), true, false);
  CHECK(same_bits(full.dweight.values(), first_layer.dweight.values()));
  CHECK(same_bits(full.dbias.values(), first_layer.dbias.values()));
}

TEST_CASE("The linear layer gives the same bits twice on the same number of threads") {
  for (const int threads : {1, 2, 3}) {
    CAPTURE(threads);
    const Case c{257, 65, 63, true, kGelu};
    Problem<float> a(c, 8), b(c, 8);
    a.run(Queue::cpu(threads));
    b.run(Queue::cpu(threads));
    CHECK(same_bits(a.y.values(), b.y.values()));
    CHECK(same_bits(a.dx.values(), b.dx.values()));
    CHECK(same_bits(a.dweight.values(), b.dweight.values()));
    CHECK(same_bits(a.dbias.values(), b.dbias.values()));
  }
}

TEST_CASE("The activation is right far from zero, where its exponential leaves the range") {
  for (const double z : {-1000.0, -80.0, -55.0, -45.0, 45.0, 55.0, 80.0, 1000.0}) {
    CAPTURE(z);
    const auto activated = [&](auto type) {
      using T = decltype(type);
      Problem<T> p({1, 1, 1, false, kGelu}, 1);
      p.x.view().template data<T>()[0] = T(z);
      p.weight.view().template data<T>()[0] = 1;
      p.dy = Guarded<T>(p.weight.view());
      p.run(Queue::cpu(1));
      return std::pair{double(p.y.values()[0]), double(p.dy.values()[0])};
    };
    for (const auto& [y, slope] : {activated(double{}), activated(float{})}) {
      CHECK(std::fabs(y - std::fmax(z, 0)) < 1e-30);  // z sigmoid(1.702 z) within 1e-32
      CHECK(std::fabs(slope - (z > 0 ? 1 : 0)) < 1e-30);
    }
  }
}

namespace {

template <class T>
std::vector<T> rows_alone(const Problem<T>& p, int64_t first, int64_t rows, int threads) {
  Queue queue = Queue::cpu(threads);
  Guarded<T> y(Shape{rows, p.shape.out});
  launch(queue, LinearForward{.x = p.x.view().slice(0, first, rows),
                              .weight = p.weight,
                              .bias = p.shape.bias ? p.bias.view() : View(),
                              .y = y,
                              .activation = p.shape.activation,
                              .rows_alone = true});
  CHECK(y.intact());
  return y.values();
}

template <class T>
void check_rows_alone() {
  uint64_t seed = 1500;
  for (const Case& c : kCases) {
    CAPTURE(c.rows, c.in, c.out);
    const Problem<T> p(c, seed++);
    const std::vector<T> all = rows_alone(p, 0, c.rows, 1);
    CHECK(relative_error(all, formulas(p).y) <= kTolerances<T>.linear);
    CHECK(same_bits(all, rows_alone(p, 0, c.rows, 3)));
    for (const int64_t rows : {1, 2, 3, 7}) {
      if (rows > c.rows) continue;
      const int64_t first = c.rows - rows;
      const std::vector<T> last(all.begin() + first * c.out, all.end());
      CHECK(same_bits(last, rows_alone(p, first, rows, 2)));
    }
  }
}

}  // namespace

TEST_CASE("A row alone is the affine layer, and its bits depend on no other row, in f64") {
  check_rows_alone<double>();
}
TEST_CASE("A row alone is the affine layer, and its bits depend on no other row, in f32") {
  check_rows_alone<float>();
}
