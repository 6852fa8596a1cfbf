#include "lacuna/tensor/memory.h"

#include <limits>
#include <map>
#include <optional>

#include "../catch.h"
#include "../expect_error.h"
#include "../random_tensor.h"

using namespace lacuna;

namespace {

constexpr int64_t kForever = std::numeric_limits<int64_t>::max();

size_t rounded(size_t bytes) {
  return (bytes + 63) / 64 * 64;
}

bool overlap_in_time(const Lifetime& a, const Lifetime& b) {
  return std::max(a.birth, b.birth) < std::min(a.death, b.death);
}

/// Pairs that share a byte while both are alive, and offsets that are unaligned or beyond the end.
int faults(const MemoryPlan& plan) {
  int found = 0;
  for (size_t i = 0; i < plan.lifetimes.size(); ++i) {
    const size_t begin = plan.offsets[i], end = begin + plan.lifetimes[i].bytes;
    if (begin % 64 != 0 || end > plan.total) ++found;
    for (size_t j = 0; j < i; ++j) {
      const size_t other = plan.offsets[j], other_end = other + plan.lifetimes[j].bytes;
      const bool share = std::max(begin, other) < std::min(end, other_end);
      if (share && overlap_in_time(plan.lifetimes[i], plan.lifetimes[j])) ++found;
    }
  }
  return found;
}

/// What is alive at each event at which something is born, by tag, in whole units of 64 bytes.
std::vector<MemoryUse> uses(const std::vector<Lifetime>& lifetimes) {
  std::vector<MemoryUse> all;
  for (const Lifetime& moment : lifetimes) {
    MemoryUse use;
    for (const Lifetime& life : lifetimes) {
      if (life.birth <= moment.birth && moment.birth < life.death) {
        use[life.tag] += rounded(life.bytes);
      }
    }
    all.push_back(use);
  }
  return all;
}

size_t most_alive(const std::vector<Lifetime>& lifetimes) {
  size_t most = 0;
  for (const MemoryUse& use : uses(lifetimes)) most = std::max(most, use.total());
  return most;
}

std::vector<Lifetime> random_lifetimes(Random& random, int64_t count, size_t most_bytes) {
  std::vector<Lifetime> lifetimes;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t birth = random.below(40);
    lifetimes.push_back({static_cast<size_t>(random.below(static_cast<int64_t>(most_bytes) + 1)),
                         static_cast<MemoryTag>(random.below(kMemoryTags)), birth,
                         random.below(10) == 0 ? kForever : birth + 1 + random.below(12)});
  }
  return lifetimes;
}

constexpr auto kTag = MemoryTag::kActivations;

}  // namespace

TEST_CASE("Lifetimes that overlap never share memory") {
  Random random(1);
  for (int round = 0; round < 200; ++round) {
    CAPTURE(round);
    const std::vector<Lifetime> lifetimes =
        random_lifetimes(random, 1 + random.below(60), round % 2 == 0 ? 300 : 5000);
    const MemoryPlan plan = pack(lifetimes);
    REQUIRE(plan.offsets.size() == lifetimes.size());
    CHECK(faults(plan) == 0);
    CHECK(plan.total >= most_alive(lifetimes));
  }
}

TEST_CASE("The peak is what is alive at the fullest moment, by tag") {
  Random random(2);
  for (int round = 0; round < 200; ++round) {
    CAPTURE(round);
    const std::vector<Lifetime> lifetimes = random_lifetimes(random, 1 + random.below(40), 900);
    const MemoryPlan plan = pack(lifetimes);
    CHECK(plan.peak.total() == most_alive(lifetimes));
    CHECK(plan.peak.total() <= plan.total);
    const std::vector<MemoryUse> all = uses(lifetimes);
    CHECK(std::any_of(all.begin(), all.end(),
                      [&](const MemoryUse& use) { return use.bytes == plan.peak.bytes; }));
  }
}

TEST_CASE("Packing wastes nothing where that is easy to see") {
  const auto total = [](const std::vector<Lifetime>& lifetimes) {
    const MemoryPlan plan = pack(lifetimes);
    CHECK(faults(plan) == 0);
    return plan.total;
  };
  CHECK(total({}) == 0);
  CHECK(total({{1, kTag, 0, 1}}) == 64);
  // One after the other: the end of one is no overlap with the beginning of the next.
  CHECK(total({{640, kTag, 0, 2}, {640, kTag, 2, 4}, {100, kTag, 4, kForever}}) == 640);
  // All at once.
  CHECK(total({{64, kTag, 0, 9}, {128, kTag, 1, 8}, {65, kTag, 2, kForever}}) == 64 + 128 + 128);
  // Small ones before and after share the room beside the large one.
  CHECK(total({{64, kTag, 0, 2}, {128, kTag, 1, 3}, {64, kTag, 2, 4}}) == 192);
  // The large one is placed before the two small ones, which would otherwise push it up.
  CHECK(total({{64, kTag, 0, 2}, {64, kTag, 1, 3}, {128, kTag, 2, 4}}) == 192);
  // Two small ones fit in the place that a large one leaves.
  CHECK(total({{256, kTag, 0, 3}, {128, kTag, 3, 6}, {128, kTag, 4, 6}}) == 256);
}

TEST_CASE("Lifetimes of one size, in order of birth, are packed to the peak") {
  Random random(3);
  for (int round = 0; round < 50; ++round) {
    CAPTURE(round);
    std::vector<Lifetime> lifetimes = random_lifetimes(random, 30, 0);
    for (Lifetime& life : lifetimes) life.bytes = 192;
    std::sort(lifetimes.begin(), lifetimes.end(),
              [](const Lifetime& a, const Lifetime& b) { return a.birth < b.birth; });
    CHECK(pack(lifetimes).total == most_alive(lifetimes));
  }
}

TEST_CASE("A recording arena sees each tensor live until its last copy is gone") {
  Arena arena;
  Tensor first = arena.allocate({10}, DType::kF32, MemoryTag::kInputs);
  std::optional<Tensor> second = arena.allocate({4, 4}, DType::kF64, MemoryTag::kWorkspace);
  CHECK(first.view().raw() == nullptr);
  const Tensor copy = *second;
  second.reset();
  const Tensor third = arena.allocate({3}, DType::kU8, MemoryTag::kGradients);
  first = {};
  const Tensor fourth = arena.allocate({40}, DType::kU8, MemoryTag::kInputs);
  const MemoryPlan plan = arena.plan();
  REQUIRE(plan.lifetimes.size() == 4);
  CHECK(plan.lifetimes[0].bytes == 40);
  CHECK(plan.lifetimes[1].bytes == 128);
  CHECK(plan.lifetimes[0].tag == MemoryTag::kInputs);
  CHECK(plan.lifetimes[1].tag == MemoryTag::kWorkspace);
  CHECK(overlap_in_time(plan.lifetimes[0], plan.lifetimes[1]));
  CHECK(overlap_in_time(plan.lifetimes[1], plan.lifetimes[2]));  // kept by the copy
  CHECK(overlap_in_time(plan.lifetimes[0], plan.lifetimes[2]));
  CHECK_FALSE(overlap_in_time(plan.lifetimes[0], plan.lifetimes[3]));
  CHECK(plan.lifetimes[1].death == kForever);
  CHECK(plan.total == 64 + 128 + 64);
}

TEST_CASE("A replaying arena hands out the planned offsets, filled with NaN, run after run") {
  Random random(4);
  Arena recorder;
  std::vector<Shape> shapes;
  std::vector<bool> drops;
  for (int i = 0; i < 40; ++i) {
    shapes.push_back({1 + random.below(5), 1 + random.below(60)});
    drops.push_back(random.below(3) == 0);
  }
  const auto step = [&](Arena& arena, const std::function<void(size_t, const Tensor&)>& seen) {
    std::vector<Tensor> held;
    for (size_t i = 0; i < shapes.size(); ++i) {
      held.push_back(arena.allocate(shapes[i], DType::kF32, kTag));
      seen(i, held.back());
      if (drops[i]) held.erase(held.begin() + static_cast<std::ptrdiff_t>(held.size() / 2));
    }
  };
  step(recorder, [](size_t, const Tensor&) {});
  const MemoryPlan plan = recorder.plan();
  CHECK(faults(plan) == 0);

  Arena arena(plan);
  for (int run = 0; run < 2; ++run) {
    const std::byte* base = nullptr;
    arena.rewind();
    step(arena, [&](size_t i, const Tensor& tensor) {
      const auto* memory = static_cast<const std::byte*>(tensor.view().raw());
      if (i == 0) base = memory - plan.offsets[0];
      CHECK(memory == base + plan.offsets[i]);
      CHECK(tensor.shape() == shapes[i]);
      float* values = tensor.view().data<float>();
      if (run == 0) {
        for (int64_t k = 0; k < tensor.shape().count(); ++k) CHECK(std::isnan(values[k]));
      }
    });
  }
}

TEST_CASE("A replaying arena refuses an allocation that was not planned") {
  Arena recorder;
  {
    const Tensor a = recorder.allocate({8}, DType::kF32, kTag);
    const Tensor b = recorder.allocate({9}, DType::kF32, kTag);
  }
  Arena arena(recorder.plan());
  const auto refuse = [&](const Shape& shape, DType dtype, MemoryTag tag) {
    expect_error(ErrorKind::kInternal, "Arena::allocate",
                 [&] { arena.allocate(shape, dtype, tag); });
  };
  refuse({7}, DType::kF32, kTag);
  arena.rewind();
  refuse({8}, DType::kF64, kTag);
  arena.rewind();
  refuse({8}, DType::kF32, MemoryTag::kGradients);
  arena.rewind();
  arena.allocate({8}, DType::kF32, kTag);
  arena.allocate({9}, DType::kF32, kTag);
  refuse({1}, DType::kU8, kTag);  // one more than was planned
  expect_error(ErrorKind::kInternal, "Arena::plan", [&] { arena.plan(); });
}
