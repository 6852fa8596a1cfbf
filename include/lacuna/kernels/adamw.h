// One AdamW update of a flat range, as the released code of the paper does it: bias correction is
// folded into the learning rate, eps is added to the uncorrected sqrt(variance), decay is
// decoupled. Of the t-th update:
//   rate = learning_rate * sqrt(1 - beta2^t) / (1 - beta1^t), in f64;
//   g = gradient * gradient_scale;  mean = beta1*mean + (1-beta1)*g;
//   variance = beta2*variance + (1-beta2)*g^2;
//   weight -= rate * (mean / (sqrt(variance) + eps) + decay * weight);
// then what FlatRange says. Decay is for the elements of groups of 16 that `decays` marks,
// [ceil(n / 16)] u8; absent: for all. learning_rate, t (updates), gradient_scale and average_decay
// are read from `state`; after a skipped step nothing is done.
#pragma once

#include "lacuna/kernels/flat_range.h"
#include "lacuna/kernels/launch.h"

namespace lacuna {

/// weight, average, mean and variance updated in place, the last two of the type of the weights or
/// bf16, rounded as kernels/moments.h says once they have been used; range.rounded and rate, [1]
/// f64, overwritten.
struct AdamW {
  FlatRange range;
  View mean, variance, decays, rate;
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
