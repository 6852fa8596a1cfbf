// The ops of one new position per sequence, for sampling: no gradients, so only on tapes that
// evaluate. Everything else that decoding needs are the ordinary ops with T = 1.
#pragma once

#include "lacuna/kernels/attention_decode.h"
#include "lacuna/ops/ops.h"

namespace lacuna::ops {

/// The kept keys and values of one attention layer (kernels/attention_decode.h).
struct LayerCache {
  View keys, values;  // [B, H, S, D_qk], [B, H, S, D_v]
  const HeadPasses* passes = nullptr;
  const HeadSlots* slots = nullptr;
};

/// Attention of a fused projection [B, 1, 2*qk_width + C] over what the cache keeps -> [B, 1, C];
/// otherwise as attention().
Variable attention_decode(Tape& tape, const Variable& qkv, int64_t qk_width,
                          const LayerCache& cache, const DecodeState* state);

/// tokens [B, 1] i32, the symbols before the position -> [B, 1, C], of the type of the tables
/// unless another is named.
Variable embedding_decode(Tape& tape, const View& tokens, const EmbeddingTables& tables,
                          const DecodeState* state, std::optional<DType> result = std::nullopt);

}  // namespace lacuna::ops
