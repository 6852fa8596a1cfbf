// The input of the transformer: h[b, 0] = start; h[b, t] = token[x[b, t-1]] + sum over the tables k
// of position_k[digit_k(t-1)]. So slot t carries the element before it, with the position of that
// element. digit_k: the digits of a position in the mixed radix of the tables' sizes, last fastest.
// tokens: [B, T] i32 in [0, V); token: [V, C]; position[k]: [n_k, C]; start: [C]; y: [B, T, C].
#pragma once

#include <array>

#include "lacuna/kernels/launch.h"
#include "lacuna/tensor/view.h"

namespace lacuna {

inline constexpr int kMaxPositionTables = 3;
using PositionTables = std::array<View, kMaxPositionTables>;  // the unused ones absent, at the end

/// y overwritten.
struct EmbeddingForward {
  View tokens, token, start, y;
  PositionTables position;
};

/// dtoken, dstart, dposition accumulated, in an order that does not depend on threads.
struct EmbeddingBackward {
  View tokens, dy, dtoken, dstart;
  PositionTables dposition;
};

namespace cpu {
void run(Backend, Queue& queue, const EmbeddingForward& op);
void run(Backend, Queue& queue, const EmbeddingBackward& op);
}  // namespace cpu

namespace cuda {
void run(Backend, Queue& queue, const EmbeddingForward& op);
void run(Backend, Queue& queue, const EmbeddingBackward& op);
}  // namespace cuda

}  // namespace lacuna
