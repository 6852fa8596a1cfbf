#include "lacuna/train/keep_search.h"

#include <algorithm>
#include <map>
#include <utility>

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

nn::ChainCosts costs_of(const nn::Transformer& model, int64_t batch, const StepSeconds* seconds) {
  const std::vector<nn::KeepChoice> choices = all_choices(model, batch);
  std::vector<std::vector<nn::KeepChoice>> blocks;
  for (int64_t block = 0; block < model.config().layers; ++block) {
    std::vector<nn::KeepChoice> timed;
    for (const nn::KeepChoice& choice : choices) {
      if (block == 0 && !choice.kept.has(BlockResult::kEntry)) continue;
      timed.push_back(choice);
      if (seconds != nullptr) timed.back().seconds = seconds_again(*seconds, block, choice.kept);
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

// The fastest plans for ever more live bytes, each made when it is asked for.
class KeepSearch::Rungs {
 public:
  Rungs(const nn::Transformer& model, int64_t batch, const StepSeconds* seconds, size_t everything)
      : model_(model),
        batch_(batch),
        costs_(costs_of(model, batch, seconds)),
        smallest_(nn::smallest_plan(costs_)),
        lowest_(smallest_.peak),
        highest_(std::max(lowest_, everything)) {}

  StepPlan smallest() const { return packed(smallest_); }
  const StepPlan& at(int index) const {
    const auto found = rungs_.find(index);
    if (found != rungs_.end()) return found->second;
    const auto above = static_cast<size_t>(static_cast<double>(highest_ - lowest_) *
                                           static_cast<double>(index) / kRungs);
    return rungs_.emplace(index, packed(*nn::fastest_plan(costs_, lowest_ + above))).first->second;
  }
  // The live bytes of a plan never exceed its arena: the rungs above are too large.
  int highest_within(size_t bytes) const {
    if (bytes <= lowest_) return 0;
    const double share =
        static_cast<double>(bytes - lowest_) / static_cast<double>(highest_ - lowest_);
    return std::min(kRungs, static_cast<int>(share * kRungs) + 1);
  }

 private:
  StepPlan packed(const nn::KeepPlan& plan) const {
    nn::KeptByBlock kept = plan.kept(costs_);
    const auto known = arenas_.find(plan.choices);  // different bounds may have one plan
    const size_t arena =
        known != arenas_.end()
            ? known->second
            : arenas_.emplace(plan.choices, arena_bytes(model_, batch_, kept)).first->second;
    return {std::move(kept), arena, plan.seconds};
  }

  const nn::Transformer& model_;
  int64_t batch_;
  nn::ChainCosts costs_;
  nn::KeepPlan smallest_;
  size_t lowest_, highest_;  // live bytes of the first and of the last rung
  mutable std::map<int, StepPlan> rungs_;
  mutable std::map<std::vector<size_t>, size_t> arenas_;  // by the choices
};

KeepSearch::KeepSearch(const nn::Transformer& model, int64_t batch,
                       std::function<StepSeconds()> seconds)
    : model_(model),
      batch_(batch),
      seconds_(std::move(seconds)),
      everything_{{}, arena_bytes(model, batch, {}), 0} {}

KeepSearch::~KeepSearch() = default;

const StepPlan& KeepSearch::smallest() const {
  if (smallest_) return *smallest_;
  const Rungs untimed(model_, batch_, nullptr, everything_.arena);
  smallest_ = untimed.smallest();
  for (int low = 0; low <= kLowRungs; ++low) {
    if (untimed.at(low).arena < smallest_->arena) smallest_ = untimed.at(low);
  }
  return *smallest_;
}

std::optional<StepPlan> KeepSearch::fastest(size_t bytes) const {
  if (everything_.arena <= bytes) return everything_;
  if (bytes < least()) return std::nullopt;
  if (!rungs_) {
    const StepSeconds seconds = seconds_();
    for (size_t block = 0; block < smallest_->kept.size(); ++block) {
      smallest_->seconds_again +=
          seconds_again(seconds, static_cast<int64_t>(block), smallest_->kept[block]);
    }
    rungs_ = std::make_unique<Rungs>(model_, batch_, &seconds, everything_.arena);
  }
  for (int index = rungs_->highest_within(bytes); index >= 0; --index) {
    const StepPlan& plan = rungs_->at(index);
    if (plan.arena > bytes) continue;
    return plan.seconds_again < smallest_->seconds_again ? plan : *smallest_;
  }
  return smallest_;
}

}  // namespace lacuna::train
