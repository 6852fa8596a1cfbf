// One row of the embedding (kernels/embedding.h) for each sequence: that of the position to decode.
// tokens: [B, 1] i32, the symbol before it, in [0, V), not read at position 0; tables and start as
// there; y: [B, 1, C].
#pragma once

#include "lacuna/kernels/decode_state.h"
#include "lacuna/kernels/embedding.h"

namespace lacuna {

/// y overwritten.
struct EmbeddingDecode {
  View tokens, token, start, y;
  PositionTables position;
  const DecodeState* state = nullptr;
};

namespace cpu {
void run(Backend, Queue& queue, const EmbeddingDecode& op);
}  // namespace cpu

namespace cuda {
void run(Backend, Queue& queue, const EmbeddingDecode& op);
}  // namespace cuda

}  // namespace lacuna
