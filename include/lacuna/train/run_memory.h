// What training holds of its device's memory, added up in the same way for a trainer and for a run
// that is planned without one.
#pragma once

#include <vector>

#include "lacuna/optim/optimizer.h"

namespace lacuna::train {

/// What a run needs for one of the things that it does, which never overlap.
struct Need {
  const char* what;  // "a step", "an evaluation", "a sample"
  size_t block;      // bytes of the block that they share
  MemoryUse memory;  // of these by tag, and its inputs, which lie outside
};

struct RunMemory {
  MemoryUse held;           // outside the block
  std::vector<Need> needs;  // at least one

  const Need& largest() const;
  size_t block() const { return largest().block; }
  /// All tensors by tag: of what is needed in turns, the most.
  MemoryUse use() const;
};

/// Of these parts; `averages` may be null, `workspace` is that of the queue in bytes.
RunMemory run_memory(std::vector<Need> needs, const nn::ParameterStore& parameters,
                     const nn::ParameterStore* averages, const optim::Optimizer& optimizer,
                     size_t workspace);

}  // namespace lacuna::train
