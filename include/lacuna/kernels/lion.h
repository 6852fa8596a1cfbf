// One Lion update of a flat range (Chen et al., "Symbolic Discovery of Optimization Algorithms",
// NeurIPS 2023): the step is the sign of the gradient's mean as it is halfway updated, so that
// every weight moves by the whole rate or, where that mean is 0, not at all; decay is decoupled:
//   g = gradient * gradient_scale;  direction = sign(beta1*momentum + (1-beta1)*g);
//   momentum = beta2*momentum + (1-beta2)*g;
//   weight -= learning_rate * (direction + decay * weight);
// then what FlatRange says. Decay is for the elements of groups of 16 that `decays` marks,
// [ceil(n / 16)] u8; absent: for all. learning_rate, gradient_scale and average_decay are read from
// `state`; after a skipped step nothing is done.
#pragma once

#include "lacuna/kernels/flat_range.h"
#include "lacuna/kernels/launch.h"

namespace lacuna {

/// weight, average and momentum updated in place, the momentum of the type of the weights or bf16,
/// rounded as kernels/moments.h says; range.rounded overwritten.
struct Lion {
  FlatRange range;
  View momentum, decays;
  double beta1 = 0.9, beta2 = 0.99, decay = 0;
  const StepState* state = nullptr;
};

namespace cpu {
void run(Backend, Queue& queue, const Lion& op);
}  // namespace cpu

namespace cuda {
void run(Backend, Queue& queue, const Lion& op);
}  // namespace cuda

}  // namespace lacuna
