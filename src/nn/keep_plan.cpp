#include "lacuna/nn/keep_plan.h"

#include <algorithm>
#include <cstdint>
#include <limits>

#include "lacuna/base/error.h"

namespace lacuna::nn {
namespace {

// What matters of the choices made for the blocks so far to those that are yet to be made.
struct State {
  size_t bytes = 0;    // kept
  size_t remade = 0;   // entries of the last segment that are made again
  double seconds = 0;  // to make again
  size_t before = 0;   // the state of the block before, by its place in its list
  size_t choice = 0;
};

bool keeps_entry(const KeepChoice& choice) {
  return choice.kept.has(BlockResult::kEntry);
}

// Most bytes alive while a block is at work after `state`.
size_t peak_after(const State& state, const KeepChoice& choice, const ChainCosts& costs) {
  const size_t others = keeps_entry(choice) ? 0 : state.remade * costs.entry;
  return state.bytes + std::max(choice.forward, choice.backward + others + costs.losses);
}

State followed_by(const State& state, const KeepChoice& choice, size_t before, size_t index) {
  return {state.bytes + choice.bytes, keeps_entry(choice) ? 0 : state.remade + 1,
          state.seconds + choice.seconds, before, index};
}

// Only states that no other one matches or beats in all that matters, in the order of their bytes.
std::vector<State> frontier(std::vector<State> states) {
  std::sort(states.begin(), states.end(), [](const State& a, const State& b) {
    if (a.bytes != b.bytes) return a.bytes < b.bytes;
    if (a.seconds != b.seconds) return a.seconds < b.seconds;
    return a.remade < b.remade;
  });
  constexpr double kNever = std::numeric_limits<double>::infinity();
  std::vector<State> kept;
  std::vector<double> best;  // by `remade`: fewest seconds with at most so many
  for (const State& state : states) {
    const size_t known = std::min(state.remade, best.empty() ? 0 : best.size() - 1);
    if (!best.empty() && best[known] <= state.seconds) continue;
    while (best.size() <= state.remade) best.push_back(best.empty() ? kNever : best.back());
    for (size_t r = state.remade; r < best.size(); ++r) {
      best[r] = std::min(best[r], state.seconds);
    }
    kept.push_back(state);
  }
  return kept;
}

// Whether any plan has a peak of at most `bytes`. Seconds do not matter: of the ways to come to a
// block with so many entries made again, the one that keeps least is enough.
bool any_fits(const ChainCosts& costs, size_t bytes) {
  constexpr size_t kNone = SIZE_MAX;
  std::vector<size_t> least = {0};  // bytes kept, by entries made again
  for (size_t block = 0; block < costs.blocks.size(); ++block) {
    std::vector<size_t> next(least.size() + 1, kNone);
    for (size_t remade = 0; remade < least.size(); ++remade) {
      if (least[remade] == kNone) continue;
      const State state{.bytes = least[remade], .remade = remade};
      for (const KeepChoice& choice : costs.blocks[block]) {
        if (block == 0 && !keeps_entry(choice)) continue;
        if (peak_after(state, choice, costs) > bytes) continue;
        const State after = followed_by(state, choice, 0, 0);
        next[after.remade] = std::min(next[after.remade], after.bytes);
      }
    }
    least = std::move(next);
  }
  const size_t fewest = *std::min_element(least.begin(), least.end());
  return fewest != kNone && fewest + costs.head <= bytes;
}

}  // namespace

KeptByBlock KeepPlan::kept(const ChainCosts& costs) const {
  KeptByBlock kept;
  for (size_t block = 0; block < choices.size(); ++block) {
    kept.push_back(costs.blocks[block][choices[block]].kept);
  }
  return kept;
}

KeepPlan plan_of(const ChainCosts& costs, std::vector<size_t> choices) {
  require(choices.size() == costs.blocks.size(), "plan_of", "a choice for each block is needed");
  KeepPlan plan{std::move(choices)};
  State state{};
  for (size_t block = 0; block < costs.blocks.size(); ++block) {
    const KeepChoice& choice = costs.blocks[block][plan.choices[block]];
    require(block > 0 || keeps_entry(choice), "plan_of", "the first block keeps its entry");
    plan.peak = std::max(plan.peak, peak_after(state, choice, costs));
    state = followed_by(state, choice, 0, 0);
  }
  plan.peak = std::max(plan.peak, state.bytes + costs.head);
  plan.seconds = state.seconds;
  return plan;
}

// Block by block: of all ways to choose so far, those stay that could still be part of the best.
std::optional<KeepPlan> fastest_plan(const ChainCosts& costs, size_t bytes) {
  std::vector<std::vector<State>> after = {{State{}}};
  for (size_t block = 0; block < costs.blocks.size(); ++block) {
    std::vector<State> states;
    for (size_t before = 0; before < after.back().size(); ++before) {
      const State& state = after.back()[before];
      for (size_t index = 0; index < costs.blocks[block].size(); ++index) {
        const KeepChoice& choice = costs.blocks[block][index];
        if (block == 0 && !keeps_entry(choice)) continue;
        if (peak_after(state, choice, costs) > bytes) continue;
        states.push_back(followed_by(state, choice, before, index));
      }
    }
    after.push_back(frontier(std::move(states)));
  }
  const State* best = nullptr;
  for (const State& state : after.back()) {
    if (state.bytes + costs.head > bytes) continue;
    if (best == nullptr || state.seconds < best->seconds) best = &state;
  }
  if (best == nullptr) return std::nullopt;
  std::vector<size_t> choices(costs.blocks.size());
  for (size_t block = costs.blocks.size(); block-- > 0;) {
    choices[block] = best->choice;
    best = &after[block][best->before];
  }
  return plan_of(costs, std::move(choices));
}

KeepPlan smallest_plan(const ChainCosts& costs) {
  size_t enough = costs.head + costs.losses, too_small = 0;
  for (const auto& choices : costs.blocks) {
    for (const KeepChoice& choice : choices) {
      enough += choice.bytes + choice.forward + choice.backward + costs.entry;
    }
  }
  require(any_fits(costs, enough), "smallest_plan", "a block has no choice");
  if (any_fits(costs, 0)) return *fastest_plan(costs, 0);
  while (enough - too_small > 1) {
    const size_t middle = too_small + (enough - too_small) / 2;
    (any_fits(costs, middle) ? enough : too_small) = middle;
  }
  return *fastest_plan(costs, enough);
}

std::vector<KeepChoice> without_dominated(const std::vector<KeepChoice>& choices) {
  std::vector<KeepChoice> left;
  const auto beats = [](const KeepChoice& a, const KeepChoice& b) {
    return keeps_entry(a) >= keeps_entry(b) && a.bytes <= b.bytes && a.forward <= b.forward &&
           a.backward <= b.backward && a.seconds <= b.seconds;
  };
  for (size_t k = 0; k < choices.size(); ++k) {
    bool beaten = false;
    for (size_t other = 0; other < choices.size() && !beaten; ++other) {
      const bool equal = beats(choices[k], choices[other]);  // the first of equals stays
      beaten = other != k && beats(choices[other], choices[k]) && (!equal || other < k);
    }
    if (!beaten) left.push_back(choices[k]);
  }
  return left;
}

}  // namespace lacuna::nn
