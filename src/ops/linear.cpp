#include "lacuna/ops/ops.h"

namespace lacuna::ops {

Variable linear(Tape& tape, const Variable& x, const Parameter& weight, const Parameter& bias,
                Activation activation, bool rows_alone, std::optional<DType> result) {
  const int64_t in = weight.value.size(1), out = weight.value.size(0);
  require(x.shape().rank() == 3 && x.shape().back() == in &&
              (!bias.value.present() || bias.value.size(0) == out),
          "ops::linear", "x, weight and bias do not fit together");
  require(!rows_alone || !tape.records(), "ops::linear", "rows alone have no gradient");
  const Shape shape{x.shape()[0], x.shape()[1], out};
  const DType dtype = result.value_or(x.value.dtype());
  Tensor preactivation;
  if (tape.records() && activation != Activation::kNone) {
    preactivation = tape.allocate(shape, dtype, MemoryTag::kActivations);
  }
  const Variable y = tape.variable(tape.allocate(shape, dtype, MemoryTag::kActivations));
  launch(tape.queue(), LinearForward{.x = x.value,
                                     .weight = weight.value,
                                     .bias = bias.value,
                                     .preactivation = preactivation,
                                     .y = y.value,
                                     .activation = activation,
                                     .rows_alone = rows_alone});
  if (!tape.records()) return y;

  // y itself is not needed again: keep its slot, not its memory.
  tape.record([&tape, x, weight, bias, preactivation, activation, y = Variable{{}, y.slot}] {
    const Tensor dy = tape.take_gradient(y);
    const Tensor dx = tape.allocate(x.shape(), x.value.dtype(), MemoryTag::kActivationGradients);
    launch(tape.queue(), LinearBackward{.x = x.value,
                                        .weight = weight.value,
                                        .preactivation = preactivation,
                                        .dy = dy,
                                        .dx = dx,
                                        .dweight = weight.gradient,
                                        .dbias = bias.gradient,
                                        .activation = activation});
    tape.add_gradient(x, dx);
  });
  return y;
}

}  // namespace lacuna::ops
