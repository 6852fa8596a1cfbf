#include "lacuna/sparse/pass.h"

namespace lacuna::sparse {

int64_t Order::count_below(int64_t lane, int64_t length) const {
  // Positions increase with i, so all runs before the last one that starts below `length` are
  // whole.
  const int64_t last = length - 1 - position(lane, 0);
  if (last < 0) return 0;
  const int64_t runs = last / outer;
  return runs * run + std::min(run, (last - runs * outer) / inner + 1);
}

std::optional<LaneIndex> Order::lane_index_of(int64_t position, int64_t lanes) const {
  const auto in_lane = [&](int64_t lane) -> std::optional<LaneIndex> {
    const int64_t behind = position - offset - lane * lane_stride;
    if (behind < 0 || behind % outer % inner != 0) return std::nullopt;
    const int64_t step = behind % outer / inner;
    if (step >= run) return std::nullopt;
    return LaneIndex{lane, behind / outer * run + step};
  };
  int64_t guess = 0;
  if (lane_stride > 0) guess = std::max<int64_t>(0, (position - offset) % outer / lane_stride);
  if (guess < lanes) {
    if (const auto place = in_lane(guess)) return place;
  }
  for (int64_t lane = 0; lane < lanes; ++lane) {
    if (const auto place = in_lane(lane)) return place;
  }
  return std::nullopt;
}

int64_t Pass::pairs() const {
  int64_t sum = 0;
  for (int64_t lane = 0; lane < lanes; ++lane) {
    const int64_t queries_here = query_count(lane);
    const int64_t keys_here = key_count(lane);
    for (int64_t i = 0; i < queries_here; ++i) {
      sum += std::max<int64_t>(0, std::min(end.value(i), keys_here) - begin.value(i));
    }
  }
  return sum;
}

}  // namespace lacuna::sparse
