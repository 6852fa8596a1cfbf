// One AdamW update of a flat range, as the released code of the paper does it: bias correction is
// folded into the learning rate r = learning_rate * sqrt(1 - beta2^t) / (1 - beta1^t), eps is added
// to the uncorrected sqrt(variance), decay is decoupled:
//   g = gradient * gradient_scale;  mean = beta1*mean + (1-beta1)*g;
//   variance = beta2*variance + (1-beta2)*g^2;
//   weight -= r * (mean / (sqrt(variance) + eps) + decay * weight);
//   average = average_decay*average + (1-average_decay)*weight;  rounded = weight.
// All [n], f64 or f32; average may be absent, as may rounded, bf16 or f16. Decay is for the
// elements of groups of 16 that `decays` marks, [ceil(n / 16)] u8. r, gradient_scale and
// average_decay are read from `state`; after a skipped step nothing is done.
#pragma once

#include "lacuna/kernels/launch.h"
#include "lacuna/kernels/step_state.h"
#include "lacuna/tensor/view.h"

namespace lacuna {

inline constexpr int64_t kDecayGroup = 16;

/// weight, mean, variance, average updated in place; rounded overwritten.
struct AdamW {
  View weight, gradient, mean, variance, average, rounded, decays;
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8, decay = 0;
  const StepState* state = nullptr;
};

namespace cpu {
void run(Backend, Queue& queue, const AdamW& op);
}  // namespace cpu

namespace cuda {
void run(Backend, Queue& queue, const AdamW& op);
}  // namespace cuda

}  // namespace lacuna
