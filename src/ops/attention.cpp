#include <cmath>

#include "lacuna/ops/decode.h"

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

double scale_of(int64_t head_width) {
  return 1 / std::sqrt(static_cast<double>(head_width));
}

void require_heads(int64_t qk_width, int64_t v_width, int64_t heads) {
  require(heads > 0 && qk_width % heads == 0 && v_width > 0 && v_width % heads == 0,
          "ops::attention", "the projection cannot be divided among the heads");
}

}  // namespace

std::pair<Variable, Result> attention(Tape& tape, const Variable& qkv, int64_t qk_width,
                                      const HeadPasses& passes) {
  const auto heads = static_cast<int64_t>(passes.size());
  const int64_t batch = qkv.shape()[0], length = qkv.shape()[1];
  const int64_t v_width = qkv.shape()[2] - 2 * qk_width;
  require_heads(qk_width, v_width, heads);
  for (const auto& of_head : passes) {
    for (const sparse::Pass& pass : of_head) {
      require(pass.length == length, "ops::attention", "the passes are of another length");
    }
  }
  const DType dtype = qkv.value.dtype();
  const double scale = scale_of(qk_width / heads);
  enum : size_t { kOutput, kLse };
  const auto forward = [=, &tape, &passes](const Tensor& fused) -> std::vector<Tensor> {
    const Tensor y = tape.allocate({batch, length, v_width}, dtype, MemoryTag::kActivations);
    const Tensor lse = tape.allocate({batch, heads, length}, wide(dtype), MemoryTag::kActivations);
    const Parts in(fused, qk_width, heads);
    launch(tape.queue(), AttentionForward{.q = in.q,
                                          .k = in.k,
                                          .v = in.v,
                                          .y = y.view().split_last(heads, v_width / heads),
                                          .lse = lse,
                                          .scale = scale,
                                          .passes = &passes});
    return {y, lse};
  };
  const std::vector<Tensor> results = forward(qkv.value);
  const auto replay = tape.replay(2, [forward, qkv = qkv.result](std::vector<Tensor>& outputs) {
    outputs = forward(qkv.tensor());
  });
  const Variable y = tape.variable(results[kOutput], {replay, kOutput});
  const Result lse(replay, kLse);
  if (!tape.records()) return {y, lse};

  tape.record([&tape, &passes, saved_qkv = qkv.saved(), qkv = qkv.without_value(),
               saved_y = y.saved(), saved_lse = Saved(lse, results[kLse]), y = y.without_value(),
               scale, qk_width, heads, v_width] {
    const Tensor dy = tape.take_gradient(y);
    const Tensor &in_value = saved_qkv.get(), &y_value = saved_y.get();
    const Tensor& sums = saved_lse.get();
    const Tensor dqkv =
        tape.allocate(in_value.shape(), in_value.dtype(), MemoryTag::kActivationGradients);
    const Tensor delta = tape.allocate(sums.shape(), sums.dtype(), MemoryTag::kWorkspace);
    const Parts in(in_value, qk_width, heads), out(dqkv, qk_width, heads);
    launch(tape.queue(), AttentionBackward{.q = in.q,
                                           .k = in.k,
                                           .v = in.v,
                                           .y = y_value.view().split_last(heads, v_width / heads),
                                           .lse = sums,
                                           .dy = dy.view().split_last(heads, v_width / heads),
                                           .dq = out.q,
                                           .dk = out.k,
                                           .dv = out.v,
                                           .delta = delta,
                                           .scale = scale,
                                           .passes = &passes});
    tape.add_gradient(qkv, dqkv);
  });
  return {y, lse};
}

Variable attention_decode(Tape& tape, const Variable& qkv, int64_t qk_width,
                          const LayerCache& cache, const DecodeState* state) {
  const auto heads = static_cast<int64_t>(cache.passes->size());
  const int64_t batch = qkv.shape()[0], v_width = qkv.shape()[2] - 2 * qk_width;
  require(!tape.records() && qkv.shape()[1] == 1, "ops::attention_decode",
          "decoding takes one position of each sequence, and has no gradient");
  require_heads(qk_width, v_width, heads);
  const int64_t slots = cache.keys.size(2);
  require(cache.keys.shape() == Shape({batch, heads, slots, qk_width / heads}) &&
              cache.values.shape() == Shape({batch, heads, slots, v_width / heads}),
          "ops::attention_decode", "the cache is of another batch or another layer");
  const Variable y =
      tape.variable(tape.allocate({batch, 1, v_width}, qkv.value.dtype(), MemoryTag::kActivations));
  const Parts in(qkv.value, qk_width, heads);
  launch(tape.queue(), AttentionDecode{.q = in.q,
                                       .k = in.k,
                                       .v = in.v,
                                       .keys = cache.keys,
                                       .values = cache.values,
                                       .y = y.value.view().split_last(heads, v_width / heads),
                                       .scale = scale_of(qk_width / heads),
                                       .passes = cache.passes,
                                       .slots = cache.slots,
                                       .state = state});
  return y;
}

}  // namespace lacuna::ops
