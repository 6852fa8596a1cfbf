// Passes: the one form in which kernels see an attention pattern.
//
// A pass lays some of the positions of a sequence out in lanes and says which pairs of one lane
// attend. Query i of a lane sees ONE contiguous interval [begin, end) of the lane's keys, and both
// ends never decrease with i, so blocks, masks, backward, decoding and ragged lengths all follow.
// Within one pass no position is a query of two lanes and none is a key of two lanes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

namespace lacuna::sparse {

/// A lane and an index in it.
struct LaneIndex {
  int64_t lane, i;
  bool operator==(const LaneIndex&) const = default;
};

/// Maps (lane, i) to a position: offset + lane*lane_stride + (i / run)*outer + (i mod run)*inner.
/// Strictly increasing in i, and never negative: (run - 1)*inner < outer.
struct Order {
  int64_t offset = 0;
  int64_t lane_stride = 0;
  int64_t run = 1;
  int64_t outer = 1;
  int64_t inner = 1;

  int64_t position(int64_t lane, int64_t i) const {
    return offset + lane * lane_stride + i / run * outer + i % run * inner;
  }
  /// How many i have a position below `length`; 0 for a lane that begins at or beyond it.
  int64_t count_below(int64_t lane, int64_t length) const;
  /// The inverse: where `position` is among the lanes 0 .. lanes - 1, if it is in one. Takes
  /// constant time for a single lane and for lanes that take turns within `outer`; else it looks
  /// through all.
  std::optional<LaneIndex> lane_index_of(int64_t position, int64_t lanes) const;
  bool operator==(const Order&) const = default;
};

/// A non-decreasing staircase: with j = max(0, i + shift),
/// value(i) = (j / period)*step + clamp(j mod period - ramp_start, 0, ramp).
struct Bound {
  int64_t shift = 0;
  int64_t period = 1;
  int64_t step = 1;
  int64_t ramp_start = 0;
  int64_t ramp = 0;

  int64_t value(int64_t i) const {
    const int64_t j = std::max<int64_t>(0, i + shift);
    return j / period * step + std::clamp<int64_t>(j % period - ramp_start, 0, ramp);
  }
  bool operator==(const Bound&) const = default;
};

struct Interval {
  int64_t begin, end;  // begin >= end: empty
};

struct Pass {
  int64_t length;  // T: positions at or beyond it do not exist
  int64_t lanes = 1;
  Order queries{};
  Order keys{};
  Bound begin{};
  Bound end{};

  int64_t query_count(int64_t lane) const { return queries.count_below(lane, length); }
  int64_t key_count(int64_t lane) const { return keys.count_below(lane, length); }
  /// The dense keys that dense query `i` of `lane` sees, cut at the lane's key count.
  Interval interval(int64_t lane, int64_t i) const {
    const int64_t count = key_count(lane);
    return {std::min(begin.value(i), count), std::min(end.value(i), count)};
  }
  /// Attended pairs of the whole pass.
  int64_t pairs() const;
  bool operator==(const Pass&) const = default;
};

}  // namespace lacuna::sparse
