#include "lacuna/kernels/residual_norm.h"

#include "lacuna/kernels/layernorm.h"
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
  const int64_t rows = shape[0] * shape[1];
  const auto allocate = [shape = residual.shape(), dtype, &tape] {
    return tape.allocate(shape, dtype, MemoryTag::kActivations);
  };
  const Tensor sum_value = allocate(), normed = allocate();
  const Tensor mean = tape.allocate({rows}, wide(dtype), MemoryTag::kActivations);
  const Tensor rstd = tape.allocate({rows}, wide(dtype), MemoryTag::kActivations);
  const auto forward = [=, &tape](const Tensor& from, const Tensor& added, const Tensor& sum,
                                  const Tensor& y) {
    launch(tape.queue(), ResidualNormForward{.residual = from,
                                             .branch = added,
                                             .gain = norm.gain.value,
                                             .bias = norm.bias.value,
                                             .sum = sum,
                                             .y = y,
                                             .mean = mean,
                                             .rstd = rstd,
                                             .eps = norm.eps,
                                             .dropout = dropout});
  };
  forward(residual.value, branch.value, sum_value, normed);
  enum : size_t { kSum, kNormed };
  const auto replay = tape.replay(2, [=, &tape, residual = residual.result,
                                      branch = branch.result](std::vector<Tensor>& outputs) {
    if (outputs[kSum].present()) {  // the norm alone, to the same bits
      outputs[kNormed] = allocate();
      launch(tape.queue(), LayerNormForward{.x = outputs[kSum],
                                            .gain = norm.gain.value,
                                            .bias = norm.bias.value,
                                            .y = outputs[kNormed],
                                            .mean = mean,
                                            .rstd = rstd,
                                            .eps = norm.eps});
      return;
    }
    const auto [from, added] = Result::tensors(residual, branch);
    outputs = {allocate(), allocate()};
    forward(from, added, outputs[kSum], outputs[kNormed]);
  });
  const Variable sum = tape.variable(sum_value, {replay, kSum});
  const Variable y = tape.variable(normed, {replay, kNormed});
  if (!tape.records()) return {sum, y};

  tape.record([&tape, residual = residual.without_value(), branch = branch.without_value(), norm,
               dropout, saved_sum = sum.saved(), sum = sum.without_value(), mean, rstd,
               y = y.without_value()] {
    const Tensor dy = tape.take_gradient(y);
    const Tensor dsum = tape.take_gradient_if_any(sum);
    const Tensor& value = saved_sum.get();
    const auto gradient = [&] {
      return tape.allocate(value.shape(), value.dtype(), MemoryTag::kActivationGradients);
    };
    const Tensor dresidual = gradient(), dbranch = gradient();
    launch(tape.queue(), ResidualNormBackward{.sum = value,
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
