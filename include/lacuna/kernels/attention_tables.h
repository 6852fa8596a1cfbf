// How many bytes the tables take by which a GPU's attention kernels walk the passes of a model: a
// pure function, in builds without CUDA, too, and fast for any length, as searches for what fits
// ask it often. It is never less than what the GPU's code makes, and at most 40 % more where a
// sequence has several strides.
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

/// Of all layers together, at most: those that need the same tables share them. Rows start at
/// multiples of 16 bytes. Throws Error(kConfig) naming model.context where a sequence is too long
/// for tables.
size_t attention_table_bytes(const std::vector<const HeadPasses*>& layers,
                             const AttentionTables& tables);

}  // namespace lacuna::cuda
