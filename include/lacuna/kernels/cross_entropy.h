// Cross-entropy of a softmax and its gradient in one pass over the logits.
// logits: [N, V]; targets: [N] i32 in [0, V); losses: [N] f64, in nats; dlogits: [N, V] or absent.
// On a GPU logits are f32, and dlogits is of the type of the activations.
#pragma once

#include "lacuna/kernels/launch.h"
#include "lacuna/kernels/step_state.h"
#include "lacuna/tensor/view.h"

namespace lacuna {

/// losses overwritten; dlogits = gradient_scale * loss_scale * (softmax(logits) - onehot(target))
/// overwritten, with the loss scale of `state` (null: 1). Where the types are the same, dlogits may
/// be the same memory as logits.
struct CrossEntropy {
  View logits, targets, losses, dlogits;
  double gradient_scale = 1;
  const StepState* state = nullptr;
};

namespace cpu {
void run(Backend, Queue& queue, const CrossEntropy& op);
}  // namespace cpu

namespace cuda {
void run(Backend, Queue& queue, const CrossEntropy& op);
}  // namespace cuda

}  // namespace lacuna
