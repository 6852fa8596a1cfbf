// Which results the blocks of a model should keep so that its step is fastest within given bytes:
// an exact search over the chain of blocks. Pure; docs/recompute.md explains costs and method.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "lacuna/nn/kept.h"

namespace lacuna::nn {

/// One way to keep a block, and what it costs.
struct KeepChoice {
  BlockResults kept = BlockResults::all();
  size_t bytes = 0;    // from the block's forward to its backward pass
  size_t forward = 0;  // most alive in its forward pass, beyond what the blocks before it keep
  size_t backward =
      0;  // the same of its backward pass; both with `bytes` and with an entry made again
  double seconds = 0;  // to make again what is not kept
};

/// What a chain of blocks costs. Blocks before the one that is at work hold what they keep, blocks
/// after it hold nothing, or are yet to come.
struct ChainCosts {
  std::vector<std::vector<KeepChoice>> blocks;  // the choices of each; block 0 keeps its entry
  size_t entry = 0;   // bytes of one; those of a segment's blocks are alive when made again
  size_t losses = 0;  // alive in all of the backward pass
  size_t head = 0;    // most alive from the last seam to the loss and back, beyond what blocks keep
};

/// A choice for each block.
struct KeepPlan {
  std::vector<size_t> choices;  // ChainCosts::blocks[l][choices[l]]
  size_t peak = 0;              // most bytes alive at once
  double seconds = 0;           // to make again, over all blocks

  KeptByBlock kept(const ChainCosts& costs) const;
};

/// The plan of these choices. A segment begins with each block that keeps its entry; while a block
/// goes backward, the entries of its segment up to its own are alive.
KeepPlan plan_of(const ChainCosts& costs, std::vector<size_t> choices);

/// The plan that takes fewest seconds of all whose peak is at most `bytes`; among equals the one
/// that keeps least. Absent when there is none.
std::optional<KeepPlan> fastest_plan(const ChainCosts& costs, size_t bytes);

/// The plan of the smallest peak.
KeepPlan smallest_plan(const ChainCosts& costs);

/// Leaves out choices that another one of the list matches or beats in everything.
std::vector<KeepChoice> without_dominated(const std::vector<KeepChoice>& choices);

}  // namespace lacuna::nn
