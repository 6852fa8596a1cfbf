#include <cmath>

#include "lacuna/ops/ops.h"

namespace lacuna::ops {
namespace {

// The q, k, v parts of a fused [B, T, 2*qk_width + C] projection as [B, T, H, D].
struct Parts {
  View q, k, v;

  Parts(const View& fused, int64_t qk_width, int64_t heads) {
    const int64_t v_width = fused.size(2) - 2 * qk_width;
    q = fused.slice(2, 0, qk_width).split_last(heads, qk_width / heads);
    k = fused.slice(2, qk_width, qk_width).split_last(heads, qk_width / heads);
    v = fused.slice(2, 2 * qk_width, v_width).split_last(heads, v_width / heads);
  }
};

}  // namespace

Variable attention(Tape& tape, const Variable& qkv, int64_t qk_width, const HeadPasses& passes) {
  const auto heads = static_cast<int64_t>(passes.size());
  const int64_t batch = qkv.shape()[0], length = qkv.shape()[1];
  const int64_t v_width = qkv.shape()[2] - 2 * qk_width;
  require(heads > 0 && qk_width % heads == 0 && v_width > 0 && v_width % heads == 0,
          "ops::attention", "the projection cannot be divided among the heads");
  for (const auto& of_head : passes) {
    for (const sparse::Pass& pass : of_head) {
      require(pass.length == length, "ops::attention", "the passes are of another length");
    }
  }
  const DType dtype = qkv.value.dtype();
  const Variable y =
      tape.variable(tape.allocate({batch, length, v_width}, dtype, MemoryTag::kActivations));
  const Tensor lse = tape.allocate({batch, heads, length}, wide(dtype), MemoryTag::kActivations);
  const int64_t head_width = qk_width / heads;
  const double scale = 1 / std::sqrt(static_cast<double>(head_width));
  const Parts in(qkv.value, qk_width, heads);
  launch(tape.queue(), AttentionForward{.q = in.q,
                                        .k = in.k,
                                        .v = in.v,
                                        .y = y.value.view().split_last(heads, v_width / heads),
                                        .lse = lse,
                                        .scale = scale,
                                        .passes = &passes});
  if (!tape.training()) return y;

  tape.record([&tape, &passes, qkv, in, y, lse, scale, qk_width, heads, v_width] {
    const Tensor dy = tape.take_gradient(y);
    const DType type = qkv.value.dtype();
    const Tensor dqkv = tape.allocate(qkv.shape(), type, MemoryTag::kActivationGradients);
    const Tensor delta = tape.allocate(lse.shape(), lse.dtype(), MemoryTag::kWorkspace);
    const Parts out(dqkv, qk_width, heads);
    launch(tape.queue(), AttentionBackward{.q = in.q,
                                           .k = in.k,
                                           .v = in.v,
                                           .y = y.value.view().split_last(heads, v_width / heads),
                                           .lse = lse,
                                           .dy = dy.view().split_last(heads, v_width / heads),
                                           .dq = out.q,
                                           .dk = out.k,
                                           .dv = out.v,
                                           .delta = delta,
                                           .scale = scale,
                                           .passes = &passes});
    tape.add_gradient(qkv, dqkv);
  });
  return y;
}

}  // namespace lacuna::ops
