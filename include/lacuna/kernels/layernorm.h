// Layer normalisation (Ba et al. 2016) over the last dimension: y = (x - mean) * rstd * gain +
// bias. x, y: [N, C]; gain, bias: [C]; mean, rstd: [N]. Statistics are computed in two passes.
#pragma once

#include "lacuna/kernels/launch.h"
#include "lacuna/tensor/view.h"

namespace lacuna {

/// y, mean, rstd overwritten.
struct LayerNormForward {
  View x, gain, bias, y, mean, rstd;
  double eps = 1e-5;
};

/// dx overwritten; dgain, dbias accumulated.
struct LayerNormBackward {
  View x, gain, mean, rstd, dy, dx, dgain, dbias;
};

namespace cpu {
void run(Backend, Queue& queue, const LayerNormForward& op);
void run(Backend, Queue& queue, const LayerNormBackward& op);
}  // namespace cpu

namespace cuda {
void run(Backend, Queue& queue, const LayerNormForward& op);
void run(Backend, Queue& queue, const LayerNormBackward& op);
}  // namespace cuda

}  // namespace lacuna
