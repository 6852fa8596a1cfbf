// The operands of an op that is timed.
#pragma once

#include <algorithm>
#include <vector>

#include "lacuna/base/rng.h"
#include "lacuna/kernels/elementwise.h"
#include "op_timer.h"

namespace lacuna::train {

/// Random operands repeat so many numbers.
inline constexpr int64_t kDrawnNumbers = int64_t{1} << 20;

// What one op reads and writes, until it has been timed.
class OpTimer::Operands {
 public:
  Operands(const Queue& queue, DType dtype, const Tensor& numbers)
      : queue_(queue), dtype_(dtype), numbers_(numbers) {}

  View random(const Shape& shape) { return drawn(shape, dtype_); }
  View wide_random(const Shape& shape) { return drawn(shape, wide(dtype_)); }
  View zeros(const Shape& shape, DType dtype) {
    bytes_ += static_cast<size_t>(shape.count()) * size_of(dtype);
    return held_.emplace_back(queue_.zeros(shape, dtype));
  }
  View zeros(const Shape& shape) { return zeros(shape, dtype_); }
  View wide_zeros(const Shape& shape) { return zeros(shape, wide(dtype_)); }
  View indices(const Shape& shape, int64_t below) {
    const Tensor host = Tensor::zeros(shape, DType::kI32);
    for (int64_t i = 0; i < shape.count(); ++i) {
      const uint64_t drawn = mix64(static_cast<uint64_t>(i)) % static_cast<uint64_t>(below);
      host.view().data<int32_t>()[i] = static_cast<int32_t>(drawn);
    }
    const View made = zeros(shape, DType::kI32);
    queue_.upload(made, host.view().raw());
    return made;
  }
  const StepState* state() {
    const StepState start;
    const View made = zeros({int64_t{sizeof start}}, DType::kU8);
    queue_.upload(made, &start);
    return static_cast<const StepState*>(made.raw());
  }
  /// Of all together.
  size_t bytes() const { return bytes_; }
  /// A launch on these operands, which must outlive it.
  template <class Contract>
  Launch launching(const Contract& op) {
    return [this, op] { launch(queue_, op); };
  }

 private:
  View drawn(const Shape& shape, DType dtype) {
    const View made = zeros(shape, dtype), flat = made.reshaped({shape.count()});
    for (int64_t at = 0; at < shape.count(); at += kDrawnNumbers) {
      const int64_t count = std::min(kDrawnNumbers, shape.count() - at);
      launch(queue_,
             Convert{.x = numbers_.view().slice(0, 0, count), .y = flat.slice(0, at, count)});
    }
    return made;
  }

  Queue queue_;
  DType dtype_;
  const Tensor& numbers_;
  std::vector<Tensor> held_;
  size_t bytes_ = 0;
};

}  // namespace lacuna::train
