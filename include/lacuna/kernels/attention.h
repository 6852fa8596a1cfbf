// Softmax attention over the keys that a pattern allows, given as passes; all passes of one head
// share one softmax. No T x T object exists anywhere.
// q, k: [B, T, H, D_qk]; v, y: [B, T, H, D_v], the innermost dimension contiguous (usually slices
// of one fused projection), all finite (a masked weight of 0 times NaN is NaN); lse: [B, H, T], the
// log of the softmax's denominator, -inf where a query has no key; delta: [B, H, T] workspace.
// logits = scale * q k^T.
#pragma once

#include <vector>

#include "lacuna/kernels/launch.h"
#include "lacuna/sparse/pass.h"
#include "lacuna/tensor/view.h"

namespace lacuna {

/// The passes of every head of a layer. Must outlive the launch.
using HeadPasses = std::vector<std::vector<sparse::Pass>>;

/// y, lse overwritten. A query without a key gets y = 0.
struct AttentionForward {
  View q, k, v, y, lse;
  double scale = 1;
  const HeadPasses* passes = nullptr;
};

/// dq, dk, dv, delta overwritten.
struct AttentionBackward {
  View q, k, v, y, lse, dy, dq, dk, dv, delta;
  double scale = 1;
  const HeadPasses* passes = nullptr;
};

namespace cpu {
void run(Backend, Queue& queue, const AttentionForward& op);
void run(Backend, Queue& queue, const AttentionBackward& op);
}  // namespace cpu

namespace cuda {
void run(Backend, Queue& queue, const AttentionForward& op);
void run(Backend, Queue& queue, const AttentionBackward& op);
}  // namespace cuda

}  // namespace lacuna
