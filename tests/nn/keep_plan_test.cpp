#include "lacuna/nn/keep_plan.h"

#include <algorithm>
#include <functional>

#include "catch.h"
#include "lacuna/base/rng.h"

using namespace lacuna;
using nn::BlockResult;
using nn::BlockResults;
using nn::ChainCosts;
using nn::KeepChoice;
using nn::KeepPlan;

namespace {

/// Random numbers of a seed, one after the other.
struct Numbers {
  uint64_t state;
  size_t below(size_t end) {
    state = mix64(state + 1);
    return static_cast<size_t>(state % end);
  }
};

/// A chain of any costs: keeping more need not be dearer, nor faster.
ChainCosts any_chain(uint64_t seed, size_t blocks, size_t most_choices) {
  Numbers random{seed};
  ChainCosts costs{
      .blocks = {}, .entry = random.below(seed % 2 == 0 ? 6 : 40), .head = random.below(40)};
  for (size_t block = 0; block < blocks; ++block) {
    auto& choices = costs.blocks.emplace_back();
    const size_t count = 1 + random.below(most_choices);
    for (size_t k = 0; k < count; ++k) {
      const bool entry = k == 0 || random.below(3) > 0;
      const size_t bytes = random.below(12);
      choices.push_back({.kept = entry ? BlockResults::all() : BlockResults::none(),
                         .bytes = bytes,
                         .forward = bytes + random.below(8),
                         .backward = bytes + random.below(16),
                         .seconds = static_cast<double>(random.below(20))});
    }
  }
  return costs;
}

void for_each_plan(const ChainCosts& costs, const std::function<void(const KeepPlan&)>& visit) {
  std::vector<size_t> choices(costs.blocks.size(), 0);
  for (;;) {
    const KeepChoice& first = costs.blocks[0][choices[0]];
    if (first.kept.has(BlockResult::kEntry)) visit(nn::plan_of(costs, choices));
    size_t block = 0;
    while (block < choices.size() && ++choices[block] == costs.blocks[block].size()) {
      choices[block++] = 0;
    }
    if (block == choices.size()) return;
  }
}

}  // namespace

TEST_CASE("The plan found is the fastest that fits: against all plans of small chains") {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    const ChainCosts costs = any_chain(seed, 1 + seed % 6, 4);
    CAPTURE(seed);
    size_t smallest = SIZE_MAX, largest = 0;
    for_each_plan(costs, [&](const KeepPlan& plan) {
      smallest = std::min(smallest, plan.peak);
      largest = std::max(largest, plan.peak);
    });
    CHECK(nn::smallest_plan(costs).peak == smallest);
    for (size_t bytes = smallest == 0 ? 0 : smallest - 1; bytes <= largest + 1; ++bytes) {
      double best = -1;
      for_each_plan(costs, [&](const KeepPlan& plan) {
        if (plan.peak <= bytes && (best < 0 || plan.seconds < best)) best = plan.seconds;
      });
      const std::optional<KeepPlan> found = nn::fastest_plan(costs, bytes);
      CAPTURE(bytes);
      REQUIRE(found.has_value() == (best >= 0));
      if (!found) continue;
      CHECK(found->seconds == best);
      CHECK(found->peak <= bytes);
    }
  }
}

TEST_CASE("A way to keep more is not given up for a faster one with more entries to make again") {
  const BlockResults all = BlockResults::all(), none = BlockResults::none();
  const ChainCosts costs{.blocks = {{{all, 1, 1, 1, 0}},
                                    {{none, 0, 1, 1, 1}, {all, 4, 4, 4, 2}},
                                    {{none, 0, 1, 10, 5}}},
                         .entry = 100};
  const std::optional<KeepPlan> found = nn::fastest_plan(costs, 50);
  REQUIRE(found.has_value());
  CHECK(found->choices == std::vector<size_t>{0, 1, 0});
  CHECK(found->seconds == 7);
  CHECK(nn::fastest_plan(costs, 200)->seconds == 6);
}

TEST_CASE("More bytes never make a plan slower, and choices that others beat change nothing") {
  for (uint64_t seed = 100; seed < 130; ++seed) {
    ChainCosts costs = any_chain(seed, 12, 8), pruned = costs;
    for (auto& choices : pruned.blocks) choices = nn::without_dominated(choices);
    const size_t smallest = nn::smallest_plan(costs).peak;
    CHECK(nn::smallest_plan(pruned).peak == smallest);
    double before = 1e9;
    for (size_t bytes = smallest; bytes < smallest + 60; ++bytes) {
      const double seconds = nn::fastest_plan(costs, bytes)->seconds;
      CHECK(seconds <= before);
      CHECK(nn::fastest_plan(pruned, bytes)->seconds == seconds);
      before = seconds;
    }
  }
}

TEST_CASE("The peak of a plan is counted as by hand") {
  const BlockResults all = BlockResults::all(), none = BlockResults::none();
  ChainCosts costs{.blocks = {{{all, 10, 12, 15, 0}, {all, 4, 13, 16, 2}},
                              {{all, 10, 12, 15, 0}, {none, 1, 5, 20, 7}},
                              {{none, 0, 5, 18, 7}, {all, 10, 30, 15, 0}}},
                   .entry = 3,
                   .head = 6};
  CHECK(nn::plan_of(costs, {0, 0, 1}).peak == 20 + 30);  // forward through the last
  CHECK(nn::plan_of(costs, {1, 1, 0}).peak ==
        5 + 18 + 3);  // the same: it has the second entry, too
  CHECK(nn::plan_of(costs, {0, 1, 0}).peak == 11 + 18 + 3);  // backward through the last
  CHECK(nn::plan_of(costs, {0, 1, 0}).seconds == 14);
  costs.head = 40;
  CHECK(nn::plan_of(costs, {1, 1, 0}).peak == 5 + 40);
}
