#include "lacuna/kernels/layernorm.h"
#include "lacuna/ops/ops.h"

namespace lacuna::ops {

Variable layer_norm(Tape& tape, const Variable& x, const Norm& norm) {
  const int64_t width = norm.gain.value.size(0), rows = x.value.view().count() / width;
  require(x.shape().back() == width && norm.bias.value.size(0) == width, "ops::layer_norm",
          "the norm has another width than x");
  const Shape shape = x.shape();
  const DType dtype = x.value.dtype();
  const auto allocate = [=, &tape] { return tape.allocate(shape, dtype, MemoryTag::kActivations); };
  const Tensor value = allocate();
  const Tensor mean = tape.allocate({rows}, wide(dtype), MemoryTag::kActivations);
  const Tensor rstd = tape.allocate({rows}, wide(dtype), MemoryTag::kActivations);
  const auto forward = [=, &tape](const Tensor& from, const Tensor& y) {
    launch(tape.queue(), LayerNormForward{.x = from,
                                          .gain = norm.gain.value,
                                          .bias = norm.bias.value,
                                          .y = y,
                                          .mean = mean,
                                          .rstd = rstd,
                                          .eps = norm.eps});
  };
  forward(x.value, value);
  const auto replay = tape.replay(1, [=, x = x.result](std::vector<Tensor>& outputs) {
    const Tensor from = x.tensor();
    outputs[0] = allocate();
    forward(from, outputs[0]);
  });
  const Variable y = tape.variable(value, {replay, 0});
  if (!tape.records()) return y;

  tape.record([&tape, saved_x = x.saved(), x = x.without_value(), norm, mean, rstd,
               y = y.without_value()] {
    const Tensor dy = tape.take_gradient(y);
    const Tensor& from = saved_x.get();
    const Tensor dx = tape.allocate(from.shape(), from.dtype(), MemoryTag::kActivationGradients);
    launch(tape.queue(), LayerNormBackward{.x = from,
                                           .gain = norm.gain.value,
                                           .mean = mean,
                                           .rstd = rstd,
                                           .dy = dy,
                                           .dx = dx,
                                           .dgain = norm.gain.gradient,
                                           .dbias = norm.bias.gradient});
    tape.add_gradient(x, dx);
  });
  return y;
}

}  // namespace lacuna::ops
