// What forward and backward attention share: one lane of one pass of one head, with its rows
// gathered into contiguous memory, and the walk over its tiles.
#pragma once

#include <cstdint>
#include <vector>

#include "lacuna/kernels/attention.h"

namespace lacuna::cpu {

inline constexpr int64_t kQueryTile = 64;
inline constexpr int64_t kKeyTile = 256;

struct Lane {
  int64_t batch, head, lane;
  const sparse::Pass* pass;
  int64_t queries, keys;  // counts

  int64_t query_position(int64_t i) const { return pass->queries.position(lane, i); }
  int64_t key_position(int64_t i) const { return pass->keys.position(lane, i); }
  int64_t begin(int64_t i) const { return std::min(pass->begin.value(i), keys); }
  int64_t end(int64_t i) const { return std::min(pass->end.value(i), keys); }
};

/// All lanes of the `rank`-th pass of every head and sequence: independent of each other, because
/// no position is in two lanes of a pass.
inline std::vector<Lane> lanes_of(const HeadPasses& passes, int64_t batch, size_t rank) {
  std::vector<Lane> lanes;
  for (int64_t b = 0; b < batch; ++b) {
    for (size_t h = 0; h < passes.size(); ++h) {
      if (rank >= passes[h].size()) continue;
      const sparse::Pass& pass = passes[h][rank];
      for (int64_t lane = 0; lane < pass.lanes; ++lane) {
        lanes.push_back({b, static_cast<int64_t>(h), lane, &pass, pass.query_count(lane),
                         pass.key_count(lane)});
      }
    }
  }
  return lanes;
}

inline size_t most_passes(const HeadPasses& passes) {
  size_t most = 0;
  for (const auto& of_head : passes) most = std::max(most, of_head.size());
  return most;
}

/// The row of `head` at `position`: x is [B, T, H, D] with contiguous D.
template <class T>
T* row_at(const View& x, int64_t batch, int64_t position, int64_t head) {
  return x.data<T>() + batch * x.stride(0) + position * x.stride(1) + head * x.stride(2);
}

/// `count` rows of the lane's head, row i from position(i).
template <class T, class Position>
std::vector<T> gather(const View& x, const Lane& lane, int64_t count, const Position& position) {
  const int64_t width = x.size(3);
  std::vector<T> rows(static_cast<size_t>(count * width));
  for (int64_t i = 0; i < count; ++i) {
    const T* row = row_at<T>(x, lane.batch, position(i), lane.head);
    std::copy(row, row + width, rows.data() + i * width);
  }
  return rows;
}

template <class T>
std::vector<T> gather_queries(const View& x, const Lane& lane) {
  return gather<T>(x, lane, lane.queries, [&](int64_t i) { return lane.query_position(i); });
}

template <class T>
std::vector<T> gather_keys(const View& x, const Lane& lane) {
  return gather<T>(x, lane, lane.keys, [&](int64_t i) { return lane.key_position(i); });
}

/// A block of logits: dense queries [query, query + rows) against dense keys [key, key + columns).
struct Tile {
  int64_t query, rows, key, columns;

  /// The columns of the tile that its `row`-th query sees: [first, second), maybe empty.
  std::pair<int64_t, int64_t> seen(const Lane& lane, int64_t row) const {
    const int64_t begin = std::clamp<int64_t>(lane.begin(query + row) - key, 0, columns);
    const int64_t end = std::clamp<int64_t>(lane.end(query + row) - key, 0, columns);
    return {begin, std::max(begin, end)};
  }
};

/// Calls body(tile) for the key tiles that any of `rows` queries from `query` on sees.
template <class Body>
void for_key_tiles(const Lane& lane, int64_t query, int64_t rows, const Body& body) {
  const int64_t end = lane.end(query + rows - 1);
  for (int64_t key = lane.begin(query); key < end; key += kKeyTile) {
    body(Tile{query, rows, key, std::min(kKeyTile, end - key)});
  }
}

}  // namespace lacuna::cpu
