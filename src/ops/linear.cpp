#include "lacuna/ops/ops.h"

namespace lacuna::ops {
namespace {

// What both affine layers check of their operands; returns the shape of the result.
Shape result_shape(const Tape& tape, const Variable& x, const Parameter& weight,
                   const Parameter& bias, bool rows_alone) {
  const int64_t in = weight.value.size(1), out = weight.value.size(0);
  require(x.shape().rank() == 3 && x.shape().back() == in &&
              (!bias.value.present() || bias.value.size(0) == out),
          "ops::linear", "x, weight and bias do not fit together");
  require(!rows_alone || !tape.records(), "ops::linear", "rows alone have no gradient");
  return {x.shape()[0], x.shape()[1], out};
}

// y itself is not needed again: its gradient is.
void record_backward(Tape& tape, const Variable& x, const Parameter& weight, const Parameter& bias,
                     const Saved& preactivation, Activation activation, const Variable& y) {
  tape.record([&tape, saved_x = x.saved(), x = x.without_value(), weight, bias, preactivation,
               activation, y = y.without_value()] {
    const Tensor dy = tape.take_gradient(y);
    const Tensor& value = saved_x.get();
    const View z = activation == Activation::kNone ? View() : preactivation.get().view();
    const Tensor dx = tape.allocate(value.shape(), value.dtype(), MemoryTag::kActivationGradients);
    launch(tape.queue(), LinearBackward{.x = value,
                                        .weight = weight.value,
                                        .preactivation = z,
                                        .dy = dy,
                                        .dx = dx,
                                        .dweight = weight.gradient,
                                        .dbias = bias.gradient,
                                        .activation = activation});
    tape.add_gradient(x, dx);
  });
}

}  // namespace

Variable linear(Tape& tape, const Variable& x, const Parameter& weight, const Parameter& bias,
                bool rows_alone, std::optional<DType> result) {
  const Shape shape = result_shape(tape, x, weight, bias, rows_alone);
  const DType dtype = result.value_or(x.value.dtype());
  const auto forward = [=, &tape, weight = weight.value, bias = bias.value](const Tensor& from) {
    const Tensor y = tape.allocate(shape, dtype, MemoryTag::kActivations);
    launch(
        tape.queue(),
        LinearForward{.x = from, .weight = weight, .bias = bias, .y = y, .rows_alone = rows_alone});
    return y;
  };
  const auto replay = tape.replay(1, [forward, x = x.result](std::vector<Tensor>& outputs) {
    outputs[0] = forward(x.tensor());
  });
  const Variable y = tape.variable(forward(x.value), {replay, 0});
  if (tape.records()) record_backward(tape, x, weight, bias, {}, Activation::kNone, y);
  return y;
}

std::pair<Variable, Result> activated_linear(Tape& tape, const Variable& x, const Parameter& weight,
                                             const Parameter& bias, Activation activation,
                                             bool rows_alone) {
  require(activation != Activation::kNone, "ops::activated_linear", "no activation is named");
  const Shape shape = result_shape(tape, x, weight, bias, rows_alone);
  const DType dtype = x.value.dtype();
  const auto allocate = [=, &tape] { return tape.allocate(shape, dtype, MemoryTag::kActivations); };
  const Tensor preactivation = tape.records() ? allocate() : Tensor();
  const Tensor value = allocate();
  launch(tape.queue(), LinearForward{.x = x.value,
                                     .weight = weight.value,
                                     .bias = bias.value,
                                     .preactivation = preactivation,
                                     .y = value,
                                     .activation = activation,
                                     .rows_alone = rows_alone});
  const auto product = tape.replay(1, [=, &tape, x = x.result, weight = weight.value,
                                       bias = bias.value](std::vector<Tensor>& outputs) {
    const Tensor from = x.tensor();
    outputs[0] = allocate();
    launch(tape.queue(), LinearForward{.x = from, .weight = weight, .bias = bias, .y = outputs[0]});
  });
  const Result z(product, 0);
  const auto activate = tape.replay(1, [=, &tape](std::vector<Tensor>& outputs) {
    const Tensor from = z.tensor();
    outputs[0] = allocate();
    launch(tape.queue(),
           Activate{.preactivation = from, .y = outputs[0], .activation = activation});
  });
  const Variable y = tape.variable(value, {activate, 0});
  if (tape.records()) {
    record_backward(tape, x, weight, bias, {z, preactivation}, activation, y);
  }
  return {y, z};
}

}  // namespace lacuna::ops
