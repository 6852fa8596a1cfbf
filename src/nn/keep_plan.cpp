#include "lacuna/nn/keep_plan.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <tuple>

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
    return std::tie(a.bytes, a.seconds, a.remade, a.before, a.choice) <
           std::tie(b.bytes, b.seconds, b.remade, b.before, b.choice);
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

namespace {

// What plans that go on from a state take at least. All blocks together may keep only so many
// bytes; at one price for each of them, every block that is yet to come makes its best choice
// (Everett 1963: whatever the price, no plan within those bytes takes less).
class LeastSeconds {
 public:
  LeastSeconds(const ChainCosts& costs, size_t bytes) : rest_(costs.blocks.size() + 1) {
    size_t end = SIZE_MAX;  // beyond what is kept, when the last block is at work
    for (const KeepChoice& choice : costs.blocks.back()) {
      const size_t most = std::max(choice.forward, choice.backward + costs.losses);
      end = std::min(end, most - std::min(most, choice.bytes));
    }
    end = std::max(end, costs.head);
    room_ = bytes > end ? static_cast<double>(bytes - end) : 0;
    double low = 0, high = 1e-15;  // seconds a byte
    if (kept_at(costs, low) > room_) {
      while (high < 1e15 && kept_at(costs, high) > room_) high *= 2;
      for (int i = 0; i < 50; ++i) {
        const double middle = (low + high) / 2;
        (kept_at(costs, middle) > room_ ? low : high) = middle;
      }
      price_ = high;
    }
    kept_at(costs, price_);
  }

  double from(const State& state, size_t blocks_done) const {
    return state.seconds + rest_[blocks_done] - price_ * (room_ - static_cast<double>(state.bytes));
  }

 private:
  // Bytes of the best choices at that price, the fewest of equals; rest_ becomes what they cost.
  double kept_at(const ChainCosts& costs, double price) {
    double kept = 0;
    for (size_t block = costs.blocks.size(); block-- > 0;) {
      double least = std::numeric_limits<double>::infinity(), bytes = 0;
      for (const KeepChoice& choice : costs.blocks[block]) {
        const auto held = static_cast<double>(choice.bytes);
        const double cost = choice.seconds + price * held;
        if (cost > least || (cost == least && held >= bytes)) continue;
        least = cost;
        bytes = held;
      }
      rest_[block] = rest_[block + 1] + least;
      kept += bytes;
    }
    return kept;
  }

  double room_ = 0, price_ = 0;
  std::vector<double> rest_;  // by block: those from it on, at the price
};

// Block by block: of all ways to choose so far, those stay that could still be part of the best
// plan that takes at most `most_seconds`.
std::optional<std::vector<size_t>> fastest_choices(const ChainCosts& costs, size_t bytes,
                                                   const LeastSeconds& least, double most_seconds) {
  const double limit = most_seconds * (1 + 1e-9);  // whatever rounding does to a sum
  std::vector<std::vector<State>> after = {{State{}}};
  for (size_t block = 0; block < costs.blocks.size(); ++block) {
    std::vector<State> states;
    for (size_t before = 0; before < after.back().size(); ++before) {
      const State& state = after.back()[before];
      for (size_t index = 0; index < costs.blocks[block].size(); ++index) {
        const KeepChoice& choice = costs.blocks[block][index];
        if (block == 0 && !keeps_entry(choice)) continue;
        if (peak_after(state, choice, costs) > bytes) continue;
        const State next = followed_by(state, choice, before, index);
        if (least.from(next, block + 1) <= limit) states.push_back(next);
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
  return choices;
}

}  // namespace

// Looks among plans that take little more than the least that any could take, then among more: once
// the best of those found is one of them, no other is faster, and few states had to be looked at.
std::optional<KeepPlan> fastest_plan(const ChainCosts& costs, size_t bytes) {
  if (!any_fits(costs, bytes)) return std::nullopt;
  const LeastSeconds least(costs, bytes);
  const double from = least.from(State{}, 0);
  double slowest = 0;
  for (const auto& choices : costs.blocks) {
    const auto by_seconds = [](const KeepChoice& a, const KeepChoice& b) {
      return a.seconds < b.seconds;
    };
    slowest += std::max_element(choices.begin(), choices.end(), by_seconds)->seconds;
  }
  double known = std::numeric_limits<double>::infinity();  // seconds of the best plan found so far
  for (double more = std::max(from, slowest / 1024) / 1024;; more *= 2) {
    const double limit = std::min(from + more, known);
    auto choices = fastest_choices(costs, bytes, least, limit);
    if (!choices) continue;
    KeepPlan plan = plan_of(costs, std::move(*choices));
    if (plan.seconds <= limit) return plan;
    known = plan.seconds;
  }
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
