#include "lacuna/kernels/cross_entropy.h"

#include "lacuna/ops/ops.h"

namespace lacuna::ops {

Tensor cross_entropy(Tape& tape, const Variable& logits, const View& targets, double gradient_scale,
                     const StepState* state, std::optional<DType> gradient) {
  const int64_t rows = targets.count();
  require(targets.dtype() == DType::kI32, "ops::cross_entropy", "targets must be i32");
  require(logits.value.view().count() == rows * logits.shape().back(), "ops::cross_entropy",
          "logits and targets do not fit together");
  const Tensor losses = tape.allocate({rows}, DType::kF64, MemoryTag::kActivations);
  Tensor dlogits;
  if (tape.records()) {
    const DType type = gradient.value_or(logits.value.dtype());
    dlogits = type == logits.value.dtype()
                  ? logits.value
                  : tape.allocate(logits.shape(), type, MemoryTag::kActivationGradients);
  }
  launch(tape.queue(), CrossEntropy{.logits = logits.value,
                                    .targets = targets,
                                    .losses = losses,
                                    .dlogits = dlogits,
                                    .gradient_scale = gradient_scale,
                                    .state = state});
  tape.add_gradient(logits, dlogits);
  return losses;
}

}  // namespace lacuna::ops
