#include "lacuna/sparse/statistics.h"

#include <algorithm>
#include <numeric>

namespace lacuna::sparse {
namespace {

constexpr int64_t kPieceQueries = 256;  // each may take a step for every key

// Calls visit(query position, lane, interval of dense keys) for every query of a pass that sees
// any key.
template <class Visit>
void for_each_query(const Pass& pass, const BetweenPieces& between_pieces, const Visit& visit) {
  int64_t visited = 0;
  for (int64_t lane = 0; lane < pass.lanes; ++lane) {
    const int64_t queries = pass.query_count(lane);
    for (int64_t i = 0; i < queries; ++i) {
      if (++visited % kPieceQueries == 0 && between_pieces) between_pieces();
      const Interval keys = pass.interval(lane, i);
      if (keys.begin < keys.end) visit(pass.queries.position(lane, i), lane, keys);
    }
  }
}

// Pairs with a query in cell (row) and a key in cell (column) that causality allows.
int64_t allowed_pairs(int64_t row, int64_t column, int64_t cell, int64_t length) {
  const int64_t rows = std::min(cell, length - row * cell);
  if (column < row) return rows * cell;
  return column == row ? rows * (rows + 1) / 2 : 0;
}

// Adds the keys that the reached queries of a pass read.
void expand(const Pass& pass, const std::vector<char>& reached, std::vector<char>& next,
            const BetweenPieces& between_pieces) {
  for (int64_t lane = 0; lane < pass.lanes; ++lane) {
    if (between_pieces) between_pieces();
    // How many intervals begin and end at each dense key: a running sum says which are covered.
    const int64_t keys = pass.key_count(lane);
    std::vector<int64_t> changes(static_cast<size_t>(keys) + 1);
    const int64_t queries = pass.query_count(lane);
    for (int64_t i = 0; i < queries; ++i) {
      if (reached[static_cast<size_t>(pass.queries.position(lane, i))] == 0) continue;
      const Interval interval = pass.interval(lane, i);
      if (interval.begin >= interval.end) continue;
      ++changes[static_cast<size_t>(interval.begin)];
      --changes[static_cast<size_t>(interval.end)];
    }
    int64_t covering = 0;
    for (int64_t k = 0; k < keys; ++k) {
      covering += changes[static_cast<size_t>(k)];
      if (covering > 0) next[static_cast<size_t>(pass.keys.position(lane, k))] = 1;
    }
  }
}

}  // namespace

std::vector<HeadGroup> head_groups(const Pattern& pattern, int64_t heads, int64_t length) {
  std::vector<HeadGroup> groups;
  for (int64_t head = 0; head < heads; ++head) {
    Passes passes = pattern.passes(head, length, kEverything);
    const auto same = std::find_if(groups.begin(), groups.end(),
                                   [&](const HeadGroup& group) { return group.passes == passes; });
    if (same != groups.end()) {
      same->heads.push_back(head);
    } else {
      groups.push_back({{head}, std::move(passes)});
    }
  }
  return groups;
}

KeyCounts key_counts(const Passes& passes, int64_t length, const BetweenPieces& between_pieces) {
  std::vector<int64_t> keys(static_cast<size_t>(length));
  for (const Pass& pass : passes) {
    for_each_query(pass, between_pieces, [&](int64_t query, int64_t, const Interval& interval) {
      keys[static_cast<size_t>(query)] += interval.end - interval.begin;
    });
  }
  const auto [least, most] = std::minmax_element(keys.begin(), keys.end());
  const auto pairs = static_cast<double>(std::accumulate(keys.begin(), keys.end(), int64_t{0}));
  const auto all = static_cast<double>(length);
  return {*least, *most, pairs / all, pairs / (all * (all + 1) / 2)};
}

DensityMap density_map(const Passes& passes, int64_t length, int64_t most_cells,
                       const BetweenPieces& between_pieces) {
  DensityMap map{.cell = (length + most_cells - 1) / most_cells};
  map.side = (length + map.cell - 1) / map.cell;
  map.shares.resize(static_cast<size_t>(map.side * map.side));
  for (const Pass& pass : passes) {
    // Keys whose positions follow one another are counted a cell at a time.
    const Order& order = pass.keys;
    const bool whole = order.run == 1 && order.outer == 1;
    const int64_t run = whole ? pass.length : order.inner == 1 ? order.run : 1;
    for_each_query(pass, between_pieces, [&](int64_t query, int64_t lane, const Interval& keys) {
      double* row = &map.shares[static_cast<size_t>(query / map.cell * map.side)];
      for (int64_t k = keys.begin; k < keys.end;) {
        const int64_t position = order.position(lane, k);
        const int64_t count = std::min(
            {keys.end - k, run - k % run, (position / map.cell + 1) * map.cell - position});
        row[position / map.cell] += static_cast<double>(count);
        k += count;
      }
    });
  }
  for (int64_t row = 0; row < map.side; ++row) {
    for (int64_t column = 0; column < map.side; ++column) {
      const int64_t allowed = allowed_pairs(row, column, map.cell, length);
      double& share = map.shares[static_cast<size_t>(row * map.side + column)];
      share = allowed > 0 ? share / static_cast<double>(allowed) : -1;
    }
  }
  return map;
}

std::vector<Reach> reach_back(const std::vector<std::vector<Passes>>& layers, int64_t length,
                              const BetweenPieces& between_pieces) {
  std::vector<char> reached(static_cast<size_t>(length));
  reached.back() = 1;
  std::vector<Reach> steps;
  for (auto layer = layers.rbegin(); layer != layers.rend(); ++layer) {
    std::vector<char> next = reached;
    for (const Passes& head : *layer) {
      for (const Pass& pass : head) expand(pass, reached, next, between_pieces);
    }
    reached = std::move(next);
    const auto first = std::find(reached.begin(), reached.end(), 1);
    steps.push_back({reached.end() - first - 1, std::count(reached.begin(), reached.end(), 1) - 1});
    if (steps.back().positions == length - 1) break;
  }
  return steps;
}

}  // namespace lacuna::sparse
