// What training holds of its device's memory, added up in the same way for a trainer and for a run
// that is planned without one.
#pragma once

#include <vector>

#include "lacuna/nn/transformer.h"
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

/// What bytes depend on of a device, whether or not this machine has it.
struct RunDevice {
  bool gpu = false;
  size_t context = 0;    // bytes that a CUDA context and the program's code hold
  size_t workspace = 0;  // bytes of a queue
  int capability = 0;    // of a GPU: 90 for compute capability 9.0

  static RunDevice of(const Queue& queue);
};

/// What a process does with a model.
struct ModelUse {
  bool trains = false, evaluates = false, samples = false;
};

/// What a GPU holds beside the context for whatever is run on it: code and state that the driver
/// and its libraries load when they are first used, and what is left over of pages of 2 MiB. Up to
/// 51 MB are inferred from what was measured (docs/recompute.md).
inline constexpr size_t kLoadedLate = size_t{64} << 20;

/// What a queue of this device holds for a model besides its tensors: nothing on a CPU.
MemoryUse device_memory_use(const RunDevice& device, const nn::Transformer& model, ModelUse use);

/// Of these parts; `averages` may be null, `of_device` is what the device holds for them.
RunMemory run_memory(std::vector<Need> needs, const nn::ParameterStore& parameters,
                     const nn::ParameterStore* averages, const optim::Optimizer& optimizer,
                     const MemoryUse& of_device);

}  // namespace lacuna::train
