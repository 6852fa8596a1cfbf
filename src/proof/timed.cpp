#include "lacuna/proof/timed.h"

#include <algorithm>

#include "lacuna/kernels/elementwise.h"
#include "lacuna/proof/side.h"

namespace lacuna::proof {
namespace {

constexpr int64_t kNumbers = int64_t{1} << 22;

}  // namespace

View Noise::of(Range values) {
  Tensor& numbers = numbers_[{values.low, values.high, values.step}];
  if (!numbers.present()) {
    const Tensor host = converted(drawn({kNumbers}, Holds::kWide, values, 1, 0), DType::kF32);
    numbers = queue_.zeros({kNumbers}, DType::kF32);
    queue_.upload(numbers, host.view().raw());
  }
  return numbers;
}

View TimedOperands::place(const Operand& operand) {
  const Shape& shape = operand.shape;
  const View made = kept_.emplace_back(queue().zeros(shape, type_of(operand.holds)));
  if (operand.use == Operand::Use::kWritten) return made;
  if (operand.holds == Holds::kMarks) {
    queue().fill(made, 1);
  } else if (operand.holds == Holds::kIndices) {
    queue().upload(made, drawn(shape, operand.holds, operand.values, 1, kept_.size()).view().raw());
  } else {
    const View numbers = noise_.of(operand.values), flat = made.reshaped({shape.count()});
    Queue to = queue();
    for (int64_t at = 0; at < shape.count(); at += kNumbers) {
      const int64_t count = std::min(kNumbers, shape.count() - at);
      launch(to, Convert{.x = numbers.slice(0, 0, count), .y = flat.slice(0, at, count)});
    }
  }
  return made;
}

}  // namespace lacuna::proof
