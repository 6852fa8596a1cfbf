#include "lacuna/tensor/memory.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "lacuna/base/text.h"

namespace lacuna {
namespace {

constexpr size_t kAlignment = 64;

size_t aligned(size_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

MemoryUse use_at(const std::vector<Lifetime>& lifetimes, int64_t event) {
  MemoryUse use;
  for (const Lifetime& life : lifetimes) {
    if (life.birth <= event && event < life.death) use[life.tag] += aligned(life.bytes);
  }
  return use;
}

// Events with the bytes that they add or take, in order.
std::vector<std::pair<int64_t, int64_t>> changes_of(const std::vector<Lifetime>& lifetimes) {
  std::vector<std::pair<int64_t, int64_t>> changes;
  for (const Lifetime& life : lifetimes) {
    changes.emplace_back(life.birth, static_cast<int64_t>(aligned(life.bytes)));
    if (life.death != std::numeric_limits<int64_t>::max()) {
      changes.emplace_back(life.death, -static_cast<int64_t>(aligned(life.bytes)));
    }
  }
  std::sort(changes.begin(), changes.end());
  return changes;
}

// The event with most bytes alive. Only births can reach a new maximum.
int64_t fullest_event(const std::vector<Lifetime>& lifetimes) {
  int64_t alive = 0, most = 0, event = 0;
  for (const auto& [when, bytes] : changes_of(lifetimes)) {
    alive += bytes;
    if (alive > most) {
      most = alive;
      event = when;
    }
  }
  return event;
}

}  // namespace

size_t most_alive(const std::vector<Lifetime>& lifetimes, int64_t begin) {
  int64_t alive = 0, most = 0;
  for (const auto& [when, bytes] : changes_of(lifetimes)) {
    if (when >= begin) most = std::max(most, alive);  // what was alive at `begin`, too
    alive += bytes;
    if (when >= begin) most = std::max(most, alive);
  }
  return static_cast<size_t>(std::max(most, alive));
}

const char* name_of(MemoryTag tag) {
  switch (tag) {
    case MemoryTag::kParameters:
      return "parameters";
    case MemoryTag::kRounded:
      return "rounded parameters";
    case MemoryTag::kGradients:
      return "gradients";
    case MemoryTag::kOptimizer:
      return "optimizer";
    case MemoryTag::kAverages:
      return "averages";
    case MemoryTag::kInputs:
      return "inputs";
    case MemoryTag::kActivations:
      return "activations";
    case MemoryTag::kActivationGradients:
      return "activation gradients";
    case MemoryTag::kWorkspace:
      return "workspace";
    case MemoryTag::kCommunication:
      return "communication";
    case MemoryTag::kCache:
      return "cache";
    case MemoryTag::kTables:
      return "attention tables";
    case MemoryTag::kLoadedLate:
      return "loaded late";
  }
  return "?";
}

size_t MemoryUse::total() const {
  return std::accumulate(bytes.begin(), bytes.end(), size_t{0});
}

std::string memory_text(const MemoryUse& use) {
  std::vector<std::string> parts;
  for (size_t tag = 0; tag < kMemoryTags; ++tag) {
    if (use.bytes[tag] == 0) continue;
    parts.push_back(str(name_of(static_cast<MemoryTag>(tag)), " ", human_bytes(use.bytes[tag])));
  }
  return str(human_bytes(use.total()), ": ", join(parts, ", "));
}

MemoryPlan pack(std::vector<Lifetime> lifetimes) {
  MemoryPlan plan;
  plan.lifetimes = std::move(lifetimes);
  const auto& lives = plan.lifetimes;
  plan.offsets.assign(lives.size(), 0);
  std::vector<size_t> order(lives.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return lives[a].bytes > lives[b].bytes; });
  // Side by side, since each is looked at for all that come after it.
  struct Placed {
    int64_t birth, death;
    size_t offset, end;
  };
  std::vector<Placed> placed;  // ordered by offset
  for (const size_t k : order) {
    const size_t bytes = aligned(lives[k].bytes);
    size_t offset = 0;
    for (const Placed& other : placed) {
      const bool together = lives[k].birth < other.death && other.birth < lives[k].death;
      if (!together) continue;
      if (offset + bytes <= other.offset) break;
      offset = std::max(offset, other.end);
    }
    plan.offsets[k] = offset;
    plan.total = std::max(plan.total, offset + bytes);
    const auto place = std::upper_bound(placed.begin(), placed.end(), offset,
                                        [](size_t at, const Placed& o) { return at < o.offset; });
    placed.insert(place, {lives[k].birth, lives[k].death, offset, offset + bytes});
  }
  plan.peak = use_at(lives, fullest_event(lives));
  return plan;
}

struct Arena::State {
  bool recording = true;
  MemoryPlan plan;  // recording: only the lifetimes
  int64_t event = 0;
  size_t next = 0;
  std::shared_ptr<SharedBlock> block;
  uint8_t* memory = nullptr;  // of the block
};

Arena::Arena() : state_(std::make_shared<State>()) {}

Arena::Arena(std::shared_ptr<SharedBlock> block, const MemoryPlan& plan) : Arena() {
  block->reserve(plan.total);
  state_->recording = false;
  state_->plan = plan;
  state_->memory = block->data();
  state_->block = std::move(block);
}

Arena::~Arena() = default;

Tensor Arena::allocate(const Shape& shape, DType dtype, MemoryTag tag) {
  const size_t bytes = static_cast<size_t>(shape.count()) * size_t{size_of(dtype)};
  const size_t index = state_->next++;
  if (!state_->recording) {
    require(index < state_->plan.lifetimes.size() && state_->plan.lifetimes[index].bytes == bytes &&
                state_->plan.lifetimes[index].tag == tag,
            "Arena::allocate", "this step allocates otherwise than the one that was planned");
    void* data = state_->memory + state_->plan.offsets[index];
    return {View(data, dtype, shape), nullptr};
  }
  state_->plan.lifetimes.push_back(
      {bytes, tag, state_->event++, std::numeric_limits<int64_t>::max()});
  // The owner has no memory behind it: its deleter writes down when the last tensor let go.
  const std::shared_ptr<const void> owner(state_.get(), [state = state_, index](const void*) {
    state->plan.lifetimes[index].death = state->event++;
  });
  return {View(nullptr, dtype, shape), owner};
}

const std::vector<Lifetime>& Arena::lifetimes() const {
  require(state_->recording, "Arena::lifetimes", "the arena does not record");
  return state_->plan.lifetimes;
}

int64_t Arena::now() const {
  require(state_->recording, "Arena::now", "the arena does not record");
  return state_->event;
}

void Arena::rewind() {
  state_->next = 0;
}

MemoryPlan Arena::plan() const {
  require(state_->recording, "Arena::plan", "the arena does not record");
  return pack(state_->plan.lifetimes);
}

}  // namespace lacuna
