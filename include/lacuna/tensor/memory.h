// Planned memory. A dry run records every allocation of a step with its lifetime; a pure function
// packs the lifetimes into one block; later runs of the same step take the k-th slot for their k-th
// allocation. So the peak of all tensors is known before the first step, and no step allocates one.
// (CPU kernels take scratch buffers of their own, which are not counted.)
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "lacuna/tensor/shared_block.h"

namespace lacuna {

/// What memory is used for; every byte that lacuna reports is under one of these.
enum class MemoryTag : uint8_t {
  kParameters,
  kRounded,
  kGradients,
  kOptimizer,
  kAverages,
  kInputs,
  kActivations,
  kActivationGradients,
  kWorkspace,
  kCommunication,  // what the library takes by which several processes share tensors
  kCache,          // keys and values of the positions decoded so far
  kTables,         // by which a GPU's attention kernels walk the pattern
  kLoadedLate,     // set aside for what a GPU's libraries load when it is first used
};
inline constexpr size_t kMemoryTags = 13;
const char* name_of(MemoryTag tag);

/// Bytes by tag.
struct MemoryUse {
  std::array<size_t, kMemoryTags> bytes{};
  size_t& operator[](MemoryTag tag) { return bytes[static_cast<size_t>(tag)]; }
  size_t operator[](MemoryTag tag) const { return bytes[static_cast<size_t>(tag)]; }
  size_t total() const;
};

/// "1.5 GiB: parameters 1.0 GiB, ...", without the tags that hold nothing.
std::string memory_text(const MemoryUse& use);

/// One allocation: alive from event `birth` until event `death` (exclusive).
struct Lifetime {
  size_t bytes;
  MemoryTag tag;
  int64_t birth;
  int64_t death;
};

struct MemoryPlan {
  std::vector<Lifetime> lifetimes;
  std::vector<size_t> offsets;  // of lifetimes[k], aligned to 64 bytes
  size_t total = 0;             // bytes of the block
  MemoryUse peak;               // what is alive when most is alive; its total() <= total
};

/// Places each lifetime so that no two that overlap in time overlap in space: largest first, each
/// at the lowest offset that is free for its whole life. Pure.
MemoryPlan pack(std::vector<Lifetime> lifetimes);

/// Most bytes alive at any event from `begin` on.
size_t most_alive(const std::vector<Lifetime>& lifetimes, int64_t begin);

/// Hands out the tensors of one step. Not thread-safe. Tensors must not outlive their arena.
class Arena {
 public:
  /// Records: tensors have no memory, and nothing may be computed on them.
  Arena();
  /// Replays `plan` from the start of the block, which it takes. Throws as SharedBlock does.
  Arena(std::shared_ptr<SharedBlock> block, const MemoryPlan& plan);
  /// The same in host memory of its own.
  explicit Arena(const MemoryPlan& plan)
      : Arena(std::make_shared<SharedBlock>(Queue::cpu(1)), plan) {}
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  /// The next tensor of the step, uninitialised. When replaying, throws Error(kInternal) if it
  /// differs from the recorded one.
  Tensor allocate(const Shape& shape, DType dtype, MemoryTag tag);

  /// Back to the first allocation, for the next run of the same step.
  void rewind();
  /// Recording only: the plan of everything allocated so far.
  MemoryPlan plan() const;
  /// Recording only: what has been allocated so far, and the next event.
  const std::vector<Lifetime>& lifetimes() const;
  int64_t now() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace lacuna
