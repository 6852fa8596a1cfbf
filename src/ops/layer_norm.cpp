#include "lacuna/kernels/layernorm.h"
#include "lacuna/ops/ops.h"

namespace lacuna::ops {

Variable layer_norm(Tape& tape, const Variable& x, const Norm& norm) {
  const int64_t width = norm.gain.value.size(0), rows = x.value.view().count() / width;
  require(x.shape().back() == width && norm.bias.value.size(0) == width, "ops::layer_norm",
          "the norm has another width than x");
  const DType dtype = x.value.dtype();
  const Variable y = tape.variable(tape.allocate(x.shape(), dtype, MemoryTag::kActivations));
  const Tensor mean = tape.allocate({rows}, wide(dtype), MemoryTag::kActivations);
  const Tensor rstd = tape.allocate({rows}, wide(dtype), MemoryTag::kActivations);
  launch(tape.queue(), LayerNormForward{.x = x.value,
                                        .gain = norm.gain.value,
                                        .bias = norm.bias.value,
                                        .y = y.value,
                                        .mean = mean,
                                        .rstd = rstd,
                                        .eps = norm.eps});
  if (!tape.records()) return y;

  tape.record([&tape, x, norm, mean, rstd, y = Variable{{}, y.slot}] {
    const Tensor dy = tape.take_gradient(y);
    const Tensor dx = tape.allocate(x.shape(), x.value.dtype(), MemoryTag::kActivationGradients);
    launch(tape.queue(), LayerNormBackward{.x = x.value,
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
