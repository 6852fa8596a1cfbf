// The seam between two residual blocks in one pass: sum = residual + dropout(branch), then the norm
// that the next block starts with, y = layernorm(sum).
// residual, branch, sum, y: [B, T, C]; gain, bias: [C]; mean, rstd: [B*T].
#pragma once

#include "lacuna/kernels/launch.h"
#include "lacuna/kernels/step_state.h"
#include "lacuna/tensor/view.h"

namespace lacuna {

/// sum, y, mean, rstd overwritten.
struct ResidualNormForward {
  View residual, branch, gain, bias, sum, y, mean, rstd;
  double eps = 1e-5;
  Dropout dropout;
};

/// dresidual = dsum + (gradient of the norm) and dbranch = dropout(dresidual), overwritten; dgain,
/// dbias accumulated. dsum is absent when nothing but the norm reads the sum.
struct ResidualNormBackward {
  View sum, gain, mean, rstd, dy, dsum, dresidual, dbranch, dgain, dbias;
  Dropout dropout;
};

namespace cpu {
void run(Backend, Queue& queue, const ResidualNormForward& op);
void run(Backend, Queue& queue, const ResidualNormBackward& op);
}  // namespace cpu

namespace cuda {
void run(Backend, Queue& queue, const ResidualNormForward& op);
void run(Backend, Queue& queue, const ResidualNormBackward& op);
}  // namespace cuda

}  // namespace lacuna
