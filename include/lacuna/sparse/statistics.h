// What a pattern amounts to over T positions: how many keys a query reads, where the pairs lie, how
// far a position reaches back through several layers. Everything is counted from passes, a few
// hundred queries at a time: what is called between these pieces may throw.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lacuna/base/files.h"
#include "lacuna/sparse/pattern.h"

namespace lacuna::sparse {

/// The passes of one head: they cover each of its pairs once.
using Passes = std::vector<Pass>;

/// Heads that attend to the same pairs.
struct HeadGroup {
  std::vector<int64_t> heads;  // ascending
  Passes passes;
};

/// Heads 0 .. heads - 1 of a pattern over `length` positions, grouped; groups in the order of their
/// first heads. Heads with other passes count as different even if the pairs were the same.
std::vector<HeadGroup> head_groups(const Pattern& pattern, int64_t heads, int64_t length);

/// Keys that the queries of a sequence read.
struct KeyCounts {
  int64_t least = 0, most = 0;
  double mean = 0;
  double density = 0;  // share of the T (T + 1) / 2 pairs that causality allows
};
KeyCounts key_counts(const Passes& passes, int64_t length,
                     const BetweenPieces& between_pieces = {});

/// Shares of pairs, in square cells of `cell` positions a side: at(row, column) is the share of the
/// pairs that causality allows in the cell which the head attends to, -1 where it allows none.
struct DensityMap {
  int64_t cell = 1;
  int64_t side = 0;  // cells
  std::vector<double> shares;

  double at(int64_t row, int64_t column) const {
    return shares[static_cast<size_t>(row * side + column)];
  }
};
/// With at most `most_cells` cells a side.
DensityMap density_map(const Passes& passes, int64_t length, int64_t most_cells,
                       const BetweenPieces& between_pieces = {});

/// From which positions something can have come to the last one.
struct Reach {
  int64_t farthest = 0;   // distance to the earliest of them
  int64_t positions = 0;  // how many before the last one
};
/// Entry n: through the n + 1 layers nearest to the output. `layers` holds the passes of each
/// layer's (distinct) heads, from the input on; a position also keeps what it has, by the residual
/// stream. Ends early with the layer through which every position is reached.
std::vector<Reach> reach_back(const std::vector<std::vector<Passes>>& layers, int64_t length,
                              const BetweenPieces& between_pieces = {});

/// A pass in words, two lines or more: its lanes and their order, what each query sees.
std::vector<std::string> describe(const Pass& pass);

}  // namespace lacuna::sparse
