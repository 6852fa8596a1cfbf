#include "lacuna/kernels/residual_norm.h"

#include "lacuna/ops/ops.h"

namespace lacuna::ops {

std::pair<Variable, Variable> residual_norm(Tape& tape, const Variable& residual,
                                            const Variable& branch, const Norm& norm,
                                            const Dropout& dropout) {
  const Shape& shape = residual.shape();
  require(shape.rank() == 3 && branch.shape() == shape && norm.gain.value.size(0) == shape.back() &&
              norm.bias.value.size(0) == shape.back(),
          "ops::residual_norm", "residual, branch and norm do not fit together");
  const DType dtype = residual.value.dtype();
  const Variable sum = tape.variable(tape.allocate(shape, dtype, MemoryTag::kActivations));
  const Variable y = tape.variable(tape.allocate(shape, dtype, MemoryTag::kActivations));
  const int64_t rows = shape[0] * shape[1];
  const Tensor mean = tape.allocate({rows}, wide(dtype), MemoryTag::kActivations);
  const Tensor rstd = tape.allocate({rows}, wide(dtype), MemoryTag::kActivations);
  launch(tape.queue(), ResidualNormForward{.residual = residual.value,
                                           .branch = branch.value,
                                           .gain = norm.gain.value,
                                           .bias = norm.bias.value,
                                           .sum = sum.value,
                                           .y = y.value,
                                           .mean = mean,
                                           .rstd = rstd,
                                           .eps = norm.eps,
                                           .dropout = dropout});
  if (!tape.records()) return {sum, y};

  tape.record([&tape, residual = Variable{{}, residual.slot}, branch = Variable{{}, branch.slot},
               norm, dropout, sum, mean, rstd, y = Variable{{}, y.slot}] {
    const Tensor dy = tape.take_gradient(y);
    const Tensor dsum = tape.take_gradient_if_any(sum);
    const DType type = sum.value.dtype();
    const Tensor dresidual = tape.allocate(sum.shape(), type, MemoryTag::kActivationGradients);
    const Tensor dbranch = tape.allocate(sum.shape(), type, MemoryTag::kActivationGradients);
    launch(tape.queue(), ResidualNormBackward{.sum = sum.value,
                                              .gain = norm.gain.value,
                                              .mean = mean,
                                              .rstd = rstd,
                                              .dy = dy,
                                              .dsum = dsum,
                                              .dresidual = dresidual,
                                              .dbranch = dbranch,
                                              .dgain = norm.gain.gradient,
                                              .dbias = norm.bias.gradient,
                                              .dropout = dropout});
    tape.add_gradient(residual, dresidual);
    tape.add_gradient(branch, dbranch);
  });
  return {sum, y};
}

}  // namespace lacuna::ops
