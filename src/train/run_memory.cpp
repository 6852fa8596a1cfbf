#include "lacuna/train/run_memory.h"

#include <algorithm>
#include <utility>

#include "lacuna/kernels/attention_tables.h"
#include "lacuna/kernels/launch.h"
#include "lacuna/tensor/gpus.h"

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

RunDevice RunDevice::of(const Queue& queue) {
  if constexpr (kWithCuda) {
    if (queue.on_gpu()) {
      const cuda::DeviceMemory memory = cuda::device_memory(queue);
      return {.gpu = true,
              .context = memory.context,
              .workspace = memory.workspace,
              .capability = cuda::capability(queue)};
    }
  }
  return {};
}

MemoryUse device_memory_use(const RunDevice& device, const nn::Transformer& model, ModelUse use) {
  MemoryUse bytes;
  if (!device.gpu) return bytes;
  const nn::ModelConfig& config = model.config();
  std::vector<const HeadPasses*> layers;
  for (int64_t layer = 0; layer < config.layers; ++layer) layers.push_back(&model.passes(layer));
  const cuda::AttentionTables tables{.dtype = model.dtype(),
                                     .qk = config.qk_width / config.heads,
                                     .v = config.width / config.heads,
                                     .length = config.context,
                                     .capability = device.capability,
                                     .forward = use.trains || use.evaluates,
                                     .backward = use.trains,
                                     .decode = use.samples};
  bytes[MemoryTag::kTables] = cuda::attention_table_bytes(layers, tables);
  bytes[MemoryTag::kWorkspace] = device.workspace;
  bytes[MemoryTag::kLoadedLate] = kLoadedLate;
  return bytes;
}

RunMemory run_memory(std::vector<Need> needs, const nn::ParameterStore& parameters,
                     const nn::ParameterStore* averages, const optim::Optimizer& optimizer,
                     const MemoryUse& of_device) {
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
  for (size_t tag = 0; tag < kMemoryTags; ++tag) use.bytes[tag] += of_device.bytes[tag];
  return memory;
}

}  // namespace lacuna::train
