#include "check_side.h"

#include <cmath>
#include <limits>

#include "lacuna/kernels/elementwise.h"

namespace lacuna::cli {
namespace {

Tensor converted(const Tensor& from, DType dtype) {
  const Tensor made = Tensor::zeros(from.shape(), dtype);
  Queue host = Queue::cpu(1);
  launch(host, Convert{.x = from, .y = made});
  return made;
}

// Inputs are of the order of 1. Where a result should be zero, such as the gradient of a query that
// sees one key, what rounding leaves of sums of that order is no error.
constexpr double kLeastScale = 0.5;

double relative_error(const std::vector<double>& got, const std::vector<double>& want) {
  double worst = 0, scale = kLeastScale;
  for (size_t i = 0; i < want.size(); ++i) {
    const double difference = std::fabs(got[i] - want[i]);
    if (!(difference <= std::numeric_limits<double>::max())) return HUGE_VAL;
    worst = std::fmax(worst, difference);
    scale = std::fmax(scale, std::fabs(want[i]));
  }
  return worst / scale;
}

// Half a unit in the last place of 1.
double unit_of(DType dtype) {
  switch (dtype) {
    case DType::kBF16:
      return 0x1p-8;
    case DType::kF16:
      return 0x1p-11;
    default:
      return 0x1p-24;
  }
}
// Sums of f32 go through hundreds of roundings where those of bf16 go through one.
constexpr double kF32Sums = 20;

Tensor placed(const Queue& queue, const Tensor& host) {
  const Tensor made = queue.zeros(host.shape(), host.dtype());
  queue.upload(made, host.view().raw());
  return made;
}

}  // namespace

Tensor Side::input(const Shape& shape, double low, double high) {
  return draw(shape, low, high, tested_, storage_);
}

Tensor Side::wide_input(const Shape& shape, double low, double high) {
  return draw(shape, low, high, DType::kF32, wide_type());
}

Tensor Side::draw(const Shape& shape, double low, double high, DType rounding, DType stored) {
  const PhiloxKey key = random_key(seed_, RandomUse::kData, drawn_++);
  const Tensor drawn = Tensor::zeros(shape, DType::kF64);
  for (int64_t i = 0; i < shape.count(); ++i) {
    const PhiloxCounter words = random_words(key, static_cast<uint64_t>(i), 0, 0);
    drawn.view().data<double>()[i] = low + (high - low) * uniform_double(words[0], words[1]);
  }
  return placed(queue_, converted(converted(drawn, rounding), stored));
}

Tensor Side::tokens(const Shape& shape, int64_t count) {
  const PhiloxKey key = random_key(seed_, RandomUse::kData, drawn_++);
  const Tensor drawn = Tensor::zeros(shape, DType::kI32);
  for (int64_t i = 0; i < shape.count(); ++i) {
    const uint32_t word = random_words(key, static_cast<uint64_t>(i), 0, 0)[0];
    drawn.view().data<int32_t>()[i] = static_cast<int32_t>(word % static_cast<uint64_t>(count));
  }
  return placed(queue_, drawn);
}

Tensor Side::output(const std::string& name, const Shape& shape, DType dtype) {
  const Tensor made = queue_.zeros(shape, dtype);
  queue_.fill(made, 0xFF);
  keep(name, made);
  return made;
}

void Side::keep_numbers(const std::string& name, const std::vector<double>& numbers) {
  for (const double number : numbers) {
    const Tensor made = Tensor::zeros({1}, DType::kF64);
    *made.view().data<double>() = number;
    keep(name, placed(queue_, made));
  }
}

std::vector<double> Side::read(size_t index) const {
  const Tensor host = converted(queue_.to_host(results_[index].values), DType::kF64);
  const double* values = host.view().data<double>();
  return {values, values + host.view().count()};
}

double error_of(const Side& got, const Side& want, size_t result) {
  return relative_error(got.read(result), want.read(result));
}

Worst worst_of(const Side& got, const Side& want) {
  Worst worst;
  for (size_t i = 0; i < want.results().size(); ++i) {
    const double error = error_of(got, want, i);
    if (error >= worst.error) worst = {want.results()[i].name, error};
  }
  return worst;
}

double limit_of(DType dtype, double units) {
  return units * unit_of(dtype) * (dtype == DType::kF32 ? kF32Sums : 1);
}

}  // namespace lacuna::cli
