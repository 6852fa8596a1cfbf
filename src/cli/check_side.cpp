#include "check_side.h"

#include "lacuna/kernels/elementwise.h"

namespace lacuna::cli {
namespace {

Tensor converted(const Tensor& from, DType dtype) {
  const Tensor made = Tensor::zeros(from.shape(), dtype);
  Queue host = Queue::cpu(1);
  launch(host, Convert{.x = from, .y = made});
  return made;
}

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

std::vector<double> Side::read(size_t index) const {
  const Tensor host = converted(queue_.to_host(results_[index].values), DType::kF64);
  const double* values = host.view().data<double>();
  return {values, values + host.view().count()};
}

}  // namespace lacuna::cli
