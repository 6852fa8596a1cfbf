#include "lacuna/train/run_memory.h"

#include <algorithm>
#include <utility>

namespace lacuna::train {

const Need& RunMemory::largest() const {
  return *std::max_element(needs.begin(), needs.end(),
                           [](const Need& a, const Need& b) { return a.block < b.block; });
}

MemoryUse RunMemory::use() const {
  MemoryUse use = held;
  const MemoryUse& most = largest().memory;
  for (size_t tag = 0; tag < kMemoryTags; ++tag) {
    if (static_cast<MemoryTag>(tag) != MemoryTag::kInputs) use.bytes[tag] += most.bytes[tag];
  }
  return use;
}

RunMemory run_memory(std::vector<Need> needs, const nn::ParameterStore& parameters,
                     const nn::ParameterStore* averages, const optim::Optimizer& optimizer,
                     size_t workspace) {
  RunMemory memory{.held = {}, .needs = std::move(needs)};
  MemoryUse& use = memory.held;  // every program has inputs of its own, outside the block
  for (const Need& need : memory.needs) {
    use[MemoryTag::kInputs] += need.memory[MemoryTag::kInputs];
  }
  for (const nn::ParameterStore* store : {&parameters, averages}) {
    if (store != nullptr && store->rounded().present()) {
      use[MemoryTag::kRounded] += store->rounded().bytes();
    }
  }
  use[MemoryTag::kParameters] += parameters.values().bytes();
  use[MemoryTag::kGradients] += parameters.gradients().bytes();
  if (averages != nullptr) use[MemoryTag::kAverages] += averages->values().bytes();
  use[MemoryTag::kOptimizer] += optimizer.bytes();
  use[MemoryTag::kWorkspace] += workspace;
  return memory;
}

}  // namespace lacuna::train
