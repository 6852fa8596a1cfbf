// y = f(x W^T + b), the affine layer with its activation.
// x: [N, I], weight: [O, I], bias: [O] or absent, preactivation: [N, O] or absent, y: [N, O];
// rows contiguous.
#pragma once

#include "lacuna/kernels/launch.h"
#include "lacuna/tensor/view.h"

namespace lacuna {

/// kQuickGelu: f(z) = z * sigmoid(1.702 z), the paper's activation.
enum class Activation : uint8_t { kNone, kQuickGelu };

/// y overwritten; preactivation (z, only with an activation, absent when no backward follows)
/// overwritten. rows_alone: the bits of a row depend on that row alone, whatever the number of rows
/// (for decoding, where a batch of any size must give the same text); without preactivation.
struct LinearForward {
  View x, weight, bias, preactivation, y;
  Activation activation = Activation::kNone;
  bool rows_alone = false;
};

/// dx overwritten, or not computed when absent; dweight, dbias accumulated. With an activation dy
/// is overwritten by the gradient of the preactivation.
struct LinearBackward {
  View x, weight, preactivation, dy, dx, dweight, dbias;
  Activation activation = Activation::kNone;
};

/// y = f(preactivation), overwritten: to the bits that LinearForward computes beside the
/// preactivation. Both [N, O] of one type.
struct Activate {
  View preactivation, y;
  Activation activation = Activation::kQuickGelu;
};

namespace cpu {
void run(Backend, Queue& queue, const Activate& op);
void run(Backend, Queue& queue, const LinearForward& op);
void run(Backend, Queue& queue, const LinearBackward& op);
}  // namespace cpu

namespace cuda {
void run(Backend, Queue& queue, const Activate& op);
void run(Backend, Queue& queue, const LinearForward& op);
void run(Backend, Queue& queue, const LinearBackward& op);
}  // namespace cuda

}  // namespace lacuna
