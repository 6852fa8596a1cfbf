// The second half of sums over many rows: what each block of rows has summed for itself is added in
// an order that depends on the number of blocks alone, not on which of them ran when.
#pragma once

#include "queue.h"

namespace lacuna::cuda {

/// to[j] += sum over i of partial[i, j], for partial [parts, columns]. Columns from `split` on are
/// added to more[j - split] instead; more may be null when split is columns.
void add_partial_sums(GpuStream& stream, const float* partial, int64_t parts, int64_t columns,
                      float* to, int64_t split, float* more);

}  // namespace lacuna::cuda
