#include "lacuna/train/keep_search.h"

#include <algorithm>

#include "lacuna/train/program.h"

namespace lacuna::train {
namespace {

using nn::BlockResult;
using nn::BlockResults;

// The set of plans: the fastest for each of so many live bytes, evenly from the least to
// everything.
constexpr int kRungs = 512;
// Packing leaves gaps, more of them in one plan than in another; so far up the smallest is sought.
constexpr int kLowRungs = 8;

// Every way to keep a block that keeps its entry, and to keep nothing.
std::vector<nn::KeepChoice> all_choices(const nn::Transformer& model, int64_t batch) {
  std::vector<nn::KeepChoice> choices{model.keep_choice(batch, BlockResults::none())};
  for (unsigned bits = 0; bits < 1u << (nn::kBlockResults - 1); ++bits) {
    BlockResults kept = BlockResults::none().with(BlockResult::kEntry);
    for (int k = 1; k < nn::kBlockResults; ++k) {
      if (bits >> (k - 1) & 1) kept = kept.with(static_cast<BlockResult>(k));
    }
    choices.push_back(model.keep_choice(batch, kept));
  }
  return choices;
}

nn::ChainCosts costs_of(const nn::Transformer& model, int64_t batch, const StepSeconds& seconds) {
  const std::vector<nn::KeepChoice> choices = all_choices(model, batch);
  std::vector<std::vector<nn::KeepChoice>> blocks;
  for (int64_t block = 0; block < model.config().layers; ++block) {
    std::vector<nn::KeepChoice> timed;
    for (const nn::KeepChoice& choice : choices) {
      if (block == 0 && !choice.kept.has(BlockResult::kEntry)) continue;
      timed.push_back(choice);
      timed.back().seconds = seconds_again(seconds, block, choice.kept);
    }
    blocks.push_back(nn::without_dominated(timed));
  }
  return model.chain_costs(batch, std::move(blocks));
}

}  // namespace

size_t arena_bytes(const nn::Transformer& model, int64_t batch, const nn::KeptByBlock& kept) {
  StepState state;
  return Program::training(Queue::dry(), model, batch, 1, &state, kept).block_bytes();
}

KeepSearch::KeepSearch(const nn::Transformer& model, int64_t batch, const StepSeconds& seconds)
    : model_(model), batch_(batch), costs_(costs_of(model, batch, seconds)) {
  everything_ = {{}, arena_bytes(model, batch, {}), 0};
  const nn::KeepPlan smallest = nn::smallest_plan(costs_);
  lowest_ = smallest.peak;
  highest_ = std::max(lowest_, everything_.arena);
  smallest_ = packed(smallest);
  for (int low = 0; low <= kLowRungs; ++low) {
    if (rung(low).arena < smallest_.arena) smallest_ = rung(low);
  }
}

std::optional<StepPlan> KeepSearch::fastest(size_t bytes) const {
  if (everything_.arena <= bytes) return everything_;
  if (bytes < smallest_.arena) return std::nullopt;
  // The live bytes of a plan never exceed its arena: the rungs above need not be tried.
  const double share = bytes <= lowest_ ? 0
                                        : static_cast<double>(bytes - lowest_) /
                                              static_cast<double>(highest_ - lowest_);
  for (int index = std::min(kRungs, static_cast<int>(share * kRungs) + 1); index >= 0; --index) {
    if (rung(index).arena <= bytes) return rung(index);
  }
  return smallest_;
}

StepPlan KeepSearch::packed(const nn::KeepPlan& plan) const {
  const nn::KeptByBlock kept = plan.kept(costs_);
  return {kept, arena_bytes(model_, batch_, kept), plan.seconds};
}

const StepPlan& KeepSearch::rung(int index) const {
  const auto found = rungs_.find(index);
  if (found != rungs_.end()) return found->second;
  const auto above = static_cast<size_t>(static_cast<double>(highest_ - lowest_) *
                                         static_cast<double>(index) / kRungs);
  return rungs_.emplace(index, packed(*nn::fastest_plan(costs_, lowest_ + above))).first->second;
}

}  // namespace lacuna::train
