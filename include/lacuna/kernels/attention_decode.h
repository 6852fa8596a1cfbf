// Attention of one new position of each sequence over the keys that its pattern allows, kept in a
// cache whose slots sparse::cache_slots() has given out.
// q, k: [B, 1, H, D_qk]; v, y: [B, 1, H, D_v], the innermost dimension contiguous; keys: [B, H, S,
// D_qk]; values: [B, H, S, D_v], contiguous; S: at least the slots of every head.
// logits = scale * q k^T, one softmax over all passes of a head. Positions come in order from 0:
// each key that is read must have been stored since the sequence began. The work is proportional to
// the number of keys read. The results of a sequence do not depend on the others of the batch.
#pragma once

#include <vector>

#include "lacuna/kernels/attention.h"
#include "lacuna/kernels/decode_state.h"
#include "lacuna/sparse/cache.h"

namespace lacuna {

/// The slots of every head of a layer. Must outlive the launch.
using HeadSlots = std::vector<sparse::CacheSlots>;

/// k and v are stored in the slot of the position, where it has one; then y is overwritten. A query
/// without a key gets y = 0.
struct AttentionDecode {
  View q, k, v, keys, values, y;
  double scale = 1;
  const HeadPasses* passes = nullptr;
  const HeadSlots* slots = nullptr;
  const DecodeState* state = nullptr;
};

namespace cpu {
void run(Backend, Queue& queue, const AttentionDecode& op);
}  // namespace cpu

namespace cuda {
void run(Backend, Queue& queue, const AttentionDecode& op);
}  // namespace cuda

}  // namespace lacuna
