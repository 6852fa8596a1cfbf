// The running softmax of Hopper's forward kernel: a thread's share of its two rows. What a row's
// results are depends on that row alone, to the last bit.
#pragma once

#include "attention/products_sm90.cuh"

namespace lacuna::cuda::attention {

// Of exponents of 2. A row's base may fall behind its highest logit by kSlack before sums are
// scaled anew: weights up to 2^kSlack do no harm. kNoBase is below all logits.
inline constexpr float kSlack = 8, kNoBase = -1.7e38F;

/// The state of a thread's two rows.
template <int kV>
struct RunningRows {
  Sums<kV> out{};                      // sums of p v
  float base[2] = {kNoBase, kNoBase};  // p = 2^(logit * factor - base), factor = scale * log2(e)
  float sum[2] = {0, 0};               // of p, this thread's share
  float rescale[2];                    // what sums of p v are to be multiplied by, if raised

  /// Raises each base that is more than `slack` below `top` to it.
  __device__ void raise(const float (&top)[2], float slack) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const float raised = top[half] > base[half] + slack ? top[half] : base[half];
      rescale[half] = exp2_fast(base[half] - raised);
      base[half] = raised;
      sum[half] *= rescale[half];
    }
  }
  __device__ void scale() {
#pragma unroll
    for (int n = 0; n < kV / 8; ++n) {
#pragma unroll
      for (int e = 0; e < 4; ++e) out[n][e] *= rescale[e / 2];
    }
  }
};

/// Turns logits into weights relative to the rows' bases; true if these were raised, so that the
/// rows are to be scaled.
template <int kColumns, int kV>
__device__ inline bool online_softmax(Sums<kColumns>& s, RunningRows<kV>* rows, float factor) {
  float top[2];
  bool rises = false;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    float highest = fmaxf(s[0][2 * half], s[0][2 * half + 1]);
#pragma unroll
    for (int n = 1; n < kColumns / 8; ++n) {
      highest = fmaxf(highest, fmaxf(s[n][2 * half], s[n][2 * half + 1]));
    }
    highest = fmaxf(highest, __shfl_xor_sync(~0u, highest, 1));
    highest = fmaxf(highest, __shfl_xor_sync(~0u, highest, 2));
    top[half] = highest * factor;
    rises = rises || top[half] > rows->base[half] + kSlack;
  }
  rises = __any_sync(~0u, rises);
  if (rises) rows->raise(top, kSlack);
#pragma unroll
  for (int n = 0; n < kColumns / 8; ++n) {
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      s[n][e] = exp2_fast(s[n][e] * factor - rows->base[e / 2]);
      rows->sum[e / 2] += s[n][e];
    }
  }
  return rises;
}

}  // namespace lacuna::cuda::attention
