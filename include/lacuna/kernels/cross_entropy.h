// Cross-entropy of a softmax and its gradient in one pass over the logits.
// logits: [N, V]; targets: [N] i32 in [0, V); losses: [N] f64, in nats; dlogits: [N, V] or absent.
#pragma once

#include "lacuna/kernels/launch.h"
#include "lacuna/tensor/view.h"

namespace lacuna {

/// losses overwritten; dlogits = gradient_scale * (softmax(logits) - onehot(target)) overwritten;
/// it may be the same memory as logits.
struct CrossEntropy {
  View logits, targets, losses, dlogits;
  double gradient_scale = 1;
};

namespace cpu {
void run(Backend, Queue& queue, const CrossEntropy& op);
}  // namespace cpu

}  // namespace lacuna
