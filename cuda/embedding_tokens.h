// The token table's share of the backward embedding.
#pragma once

#include "lacuna/kernels/embedding.h"
#include "queue.h"

namespace lacuna::cuda {

/// dtoken[tokens[b, t-1]] += dy[b, t] for t >= 1, each row of the table in the order of (b, t).
void add_token_gradients(GpuStream& stream, const EmbeddingBackward& op);

}  // namespace lacuna::cuda
