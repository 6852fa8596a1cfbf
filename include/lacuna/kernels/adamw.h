// One AdamW update of a flat range, as the released code of the paper does it: bias correction is
// folded into the learning rate r = learning_rate * sqrt(1 - beta2^t) / (1 - beta1^t), eps is added
// to the uncorrected sqrt(variance), decay is decoupled:
//   g = gradient * gradient_scale;  mean = beta1*mean + (1-beta1)*g;
//   variance = beta2*variance + (1-beta2)*g^2;
//   weight -= r * (mean / (sqrt(variance) + eps) + decay * weight);
//   average = average_decay*average + (1-average_decay)*weight.
// All [n], f64 or f32; average may be absent. r, gradient_scale and average_decay are read from
// `state`.
#pragma once

#include "lacuna/kernels/launch.h"
#include "lacuna/kernels/step_state.h"
#include "lacuna/tensor/view.h"

namespace lacuna {

/// weight, mean, variance, average updated in place.
struct AdamW {
  View weight, gradient, mean, variance, average;
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8, decay = 0;
  const StepState* state = nullptr;
};

namespace cpu {
void run(Backend, Queue& queue, const AdamW& op);
}  // namespace cpu

}  // namespace lacuna
