#include "lacuna/kernels/elementwise.h"

#include "../catch.h"
#include "../compare.h"
#include "../expect_error.h"
#include "../random_tensor.h"

using namespace lacuna;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
const double kNaN = std::numeric_limits<double>::quiet_NaN();

const DType kFloats[] = {DType::kF64, DType::kF32, DType::kBF16, DType::kF16};

struct FloatFormat {
  int digits, lowest;  // bits of the significand; exponent of the smallest normal number
  int beyond;          // exponent of the first power of two that is too large
};

FloatFormat format_of(DType dtype) {
  if (dtype == DType::kF64) return {53, -1022, 1024};
  if (dtype == DType::kF32) return {24, -126, 128};
  if (dtype == DType::kBF16) return {8, -126, 128};
  return {11, -14, 16};
}

/// The nearest value of a format, ties to even, by scaling to whole numbers.
double nearest(double value, const FloatFormat& format) {
  if (value == 0 || !std::isfinite(value)) return value;
  const int exponent = std::max(std::ilogb(value), format.lowest) - (format.digits - 1);
  const double rounded = std::ldexp(std::nearbyint(std::ldexp(value, -exponent)), exponent);
  const bool overflows = format.beyond < 1024 && std::fabs(rounded) >= std::ldexp(1, format.beyond);
  return overflows ? std::copysign(kInfinity, value) : rounded;
}

/// Reads one element of any float type, by the type's own widening (checked in tensor/dtype_test).
double read(const View& view, int64_t i) {
  if (view.dtype() == DType::kF64) return view.data<double>()[i];
  if (view.dtype() == DType::kF32) return double{view.data<float>()[i]};
  if (view.dtype() == DType::kBF16) return double{to_f32(view.data<BFloat16>()[i])};
  return double{to_f32(view.data<Float16>()[i])};
}

Tensor convert(const View& x, DType dtype, int threads = 2) {
  Tensor y = Tensor::zeros(x.shape(), dtype);
  std::memset(y.view().raw(), 0xFF, y.view().bytes());
  Queue queue = Queue::cpu(threads);
  launch(queue, Convert{.x = x, .y = y});
  return y;
}

/// Numbers of all sizes, ties and extremes included.
Tensor numbers(int64_t count) {
  Random random(700);
  Tensor made = Tensor::zeros({count}, DType::kF64);
  double* values = made.view().data<double>();
  const double special[] = {0.0,      -0.0,     1.0,      1 + 0x1p-8, 1 + 0x3p-8, 1 + 0x1p-11,
                            65504,    65520,    1e5,      0x1p-24,    0x1p-25,    0x3p-25,
                            0x1p-149, 3.4e38,   3.5e38,   -1e300,     1e-300,     kInfinity,
                            0x1p-133, 0x1p-134, 0x3p-134, -kInfinity, kNaN};
  for (int64_t i = 0; i < count; ++i) {
    values[i] = static_cast<size_t>(i) < std::size(special)
                    ? special[i]
                    : std::ldexp(random.uniform(-1, 1), static_cast<int>(random.below(60)) - 30);
  }
  return made;
}

}  // namespace

TEST_CASE("Conversion among all float types rounds to the nearest value, ties to even") {
  for (const int64_t count : {23, 16383, 16384, 16385}) {
    const Tensor source = numbers(count);
    for (const DType from : kFloats) {
      const Tensor x = convert(source, from);
      for (const DType to : kFloats) {
        CAPTURE(count, name_of(from), name_of(to));
        const Tensor y = convert(x, to);
        int wrong = 0;
        for (int64_t i = 0; i < count; ++i) {
          const double value = read(x, i), got = read(y, i);
          // From f64 to 16 bits the way leads through f32.
          const double wanted = nearest(nearest(value, format_of(DType::kF32)), format_of(to));
          const double expected = to == DType::kF64 ? value : wanted;
          const bool same = got == expected ? std::signbit(got) == std::signbit(expected)
                                            : std::isnan(got) && std::isnan(expected);
          if (!same) ++wrong;
        }
        CHECK(wrong == 0);
      }
    }
  }
}

TEST_CASE("Conversion leaves what is around its output alone, and refuses other counts") {
  Random random(701);
  const Tensor x = random.tensor<double>({257});
  Guarded<float> y(Shape{257});
  Queue queue = Queue::cpu(2);
  launch(queue, Convert{.x = x, .y = y});
  CHECK(y.intact());
  CHECK_FALSE(std::isnan(y.values().back()));
  Guarded<float> short_one(Shape{256});
  expect_error(ErrorKind::kInternal, "Convert",
               [&] { launch(queue, Convert{.x = x, .y = short_one}); });
}

TEST_CASE("Accumulation adds once to every element and to no other") {
  Random random(702);
  for (const int64_t count : {1, 16383, 16384, 16385}) {
    CAPTURE(count);
    const Tensor x = random.tensor<float>({count}), start = random.tensor<float>({count});
    Guarded<float> y(start.view());
    Queue queue = Queue::cpu(2);
    launch(queue, Accumulate{.x = x, .y = y});
    std::vector<float> wanted = elements<float>(start);
    for (size_t i = 0; i < wanted.size(); ++i) wanted[i] += x.view().data<float>()[i];
    CHECK(same_bits(y.values(), wanted));
    CHECK(y.intact());
  }
}

TEST_CASE("Zero clears every byte of its output and no other") {
  for (const int64_t count : {1, 17, 131071, 131073}) {
    CAPTURE(count);
    Guarded<double> y(Shape{count});
    Queue queue = Queue::cpu(2);
    launch(queue, Zero{.y = y});
    CHECK(same_bits(y.values(), std::vector<double>(static_cast<size_t>(count))));
    CHECK(y.intact());
  }
}

TEST_CASE("The squared norm is the sum of the squares, with the same bits on any threads") {
  Random random(703);
  const auto squared_norm = [](const View& x, int threads) {
    Guarded<double> sum(Shape{1});
    Queue queue = Queue::cpu(threads);
    launch(queue, SquaredNorm{.x = x, .sum = sum});
    CHECK(sum.intact());
    return sum.values()[0];
  };
  for (const int64_t count : {1, 16383, 16384, 16385, 70001}) {
    CAPTURE(count);
    const Tensor wide = random.tensor<double>({count}), narrow = random.tensor<float>({count});
    long double wanted = 0, wanted_narrow = 0;
    for (const double x : elements<double>(wide)) wanted += static_cast<long double>(x) * x;
    for (const float x : elements<float>(narrow)) wanted_narrow += static_cast<long double>(x) * x;
    CHECK(squared_norm(wide, 2) == Approx(double(wanted)).epsilon(1e-13));
    // The squares are summed in double, whatever they are stored as.
    CHECK(squared_norm(narrow, 2) == Approx(double(wanted_narrow)).epsilon(1e-13));
    for (const int threads : {1, 3}) {
      CHECK(squared_norm(wide, threads) == squared_norm(wide, 2));
      CHECK(squared_norm(narrow, threads) == squared_norm(narrow, 2));
    }
  }
}

TEST_CASE("Only f64 and f32 are computed in") {
  Queue queue = Queue::cpu(1);
  const Tensor x = Tensor::zeros({4}, DType::kBF16), y = Tensor::zeros({4}, DType::kBF16);
  expect_error(ErrorKind::kInternal, "f64 and f32 only",
               [&] { launch(queue, Accumulate{.x = x, .y = y}); });
}

TEST_CASE("A dry queue runs nothing") {
  Guarded<float> y(Shape{5});
  Queue queue = Queue::dry();
  launch(queue, Zero{.y = y});
  CHECK(std::isnan(y.values()[0]));
  expect_error(ErrorKind::kInternal, "Queue::cpu", [] { Queue::cpu(0); });
}
