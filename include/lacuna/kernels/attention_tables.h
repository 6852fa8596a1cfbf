// How many bytes the tables take by which a GPU's attention kernels walk the passes of a model: a
// pure function, in builds without CUDA, too. The GPU's code makes the tables with what counts here
// (cuda/attention/tables.h).
#pragma once

#include <cstddef>
#include <vector>

#include "lacuna/kernels/attention.h"
#include "lacuna/tensor/gpus.h"

namespace lacuna::cuda {

/// What tables depend on besides the passes, and which are wanted.
struct AttentionTables {
  DType dtype;
  int64_t qk, v;   // widths of one head
  int64_t length;  // T
  int capability;  // of the GPU: 90 for compute capability 9.0
  AttentionKernels kernels = AttentionKernels::kAutomatic;
  bool forward = false, backward = false, decode = false;
};

/// Of all layers together: those that need the same tables share them. Rows start at multiples of
/// 16 bytes. Throws Error(kConfig) naming model.context where a sequence is too long for tables.
size_t attention_table_bytes(const std::vector<const HeadPasses*>& layers,
                             const AttentionTables& tables);

}  // namespace lacuna::cuda
