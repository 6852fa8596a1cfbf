#include "attention/plan.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "attention/grid.h"

namespace lacuna::cuda::attention {
namespace {

template <class T>
bool same_bytes(const T& a, const T& b) {
  return std::memcmp(&a, &b, sizeof(T)) == 0;
}

class Planner {
 public:
  Planner(int64_t length, RowsAre rows, const Tile& tile)
      : length_(length), rows_are_(rows), tile_(tile) {}

  Plan make(const HeadPasses& passes) {
    std::vector<std::vector<Grid>> walked;  // head, stage
    size_t stages = 0;
    for (const auto& of_head : passes) {
      walked.push_back(grids_of(of_head, rows_are_, tile_));
      stages = std::max(stages, walked.back().size());
      plan_.covers =
          plan_.covers && !walked.back().empty() && rows_of(*walked.back()[0].passes[0]) == length_;
    }
    for (size_t stage = 0; stage < stages; ++stage) {
      std::vector<Item> items;
      for (size_t head = 0; head < walked.size(); ++head) {
        if (stage < walked[head].size()) {
          add_head(static_cast<int32_t>(head), walked[head][stage], stage == 0, &items);
        }
      }
      add_stage(items);
    }
    return std::move(plan_);
  }

 private:
  const sparse::Order& rows(const sparse::Pass& pass) const { return row_order(pass, rows_are_); }
  const sparse::Order& columns(const sparse::Pass& pass) const {
    return column_order(pass, rows_are_);
  }
  int64_t rows_of(const sparse::Pass& pass) const {
    int64_t count = 0;
    for (int64_t lane = 0; lane < pass.lanes; ++lane) {
      count += rows(pass).count_below(lane, length_);
    }
    return count;
  }

  /// Heads often have the same passes: each is written down once.
  int32_t walk_of(const sparse::Pass& pass, int32_t slot) {
    for (size_t i = 0; i < seen_.size(); ++i) {
      if (same_bytes(*seen_[i], pass) && plan_.extents[i].slot == slot) {
        return static_cast<int32_t>(i);
      }
    }
    seen_.push_back(&pass);
    plan_.passes.push_back(pass);
    plan_.extents.push_back({narrow(pass.lanes), narrow(fewest(pass, rows(pass))),
                             narrow(fewest(pass, columns(pass))), slot});
    plan_.walks.push_back({device_order(rows(pass), length_, most(pass, rows(pass))),
                           device_order(columns(pass), length_, most(pass, columns(pass))),
                           narrow(static_cast<int64_t>(plan_.spans.size()))});
    rows_are_ == RowsAre::kQueries ? add_key_spans(pass) : add_query_spans(pass);
    return static_cast<int32_t>(seen_.size()) - 1;
  }

  void add_key_spans(const sparse::Pass& pass) {
    const int64_t count = most(pass, pass.queries);
    for (int64_t i = 0; i < count; ++i) {
      plan_.spans.push_back({narrow(pass.begin.value(i)), narrow(pass.end.value(i))});
    }
  }

  /// Key j is seen by the queries from the first whose end is beyond j up to the first whose begin
  /// is.
  void add_query_spans(const sparse::Pass& pass) {
    const int64_t queries = most(pass, pass.queries), keys = most(pass, pass.keys);
    int64_t first = 0, last = 0;
    for (int64_t j = 0; j < keys; ++j) {
      while (first < queries && pass.end.value(first) <= j) ++first;
      while (last < queries && pass.begin.value(last) <= j) ++last;
      plan_.spans.push_back({narrow(first), narrow(last)});
    }
  }

  void add_head(int32_t head, const Grid& grid, bool keep_empty, std::vector<Item>* items) {
    const int64_t lanes_at_once = grid.lanes_at_once(tile_);
    for (int64_t lane = 0; lane < grid.lanes(); lane += lanes_at_once) {
      const int64_t last_lane = std::min(grid.lanes(), lane + lanes_at_once);
      for (int64_t row = 0; row < grid.rows; row += grid.rows_at_once(tile_)) {
        Item item{.head = head,
                  .walk = walk_of(*grid.passes[0], grid.slot),
                  .first_lane = narrow(lane),
                  .last_lane = narrow(last_lane),
                  .first_row = narrow(row),
                  .groups_per_lane = grid.groups_per_lane,
                  .first_segment = narrow(static_cast<int64_t>(plan_.segments.size()))};
        for (const sparse::Pass* pass : grid.passes) add_segments(*pass, item, grid.slot);
        item.last_segment = narrow(static_cast<int64_t>(plan_.segments.size()));
        if (keep_empty || item.last_segment > item.first_segment) items->push_back(item);
      }
    }
  }

  void add_segments(const sparse::Pass& pass, const Item& item, int32_t slot) {
    const int32_t walk = walk_of(pass, slot);
    int32_t longest = 0;  // of lanes that share a tile
    const Span* spans = plan_.spans.data() + plan_.walks[static_cast<size_t>(walk)].first_span;
    for (int32_t lane = item.first_lane; lane < item.last_lane; ++lane) {
      const int64_t rows_here = rows(pass).count_below(lane, length_);
      const int64_t last_row = std::min<int64_t>(
          rows_here, item.first_row + int64_t{item.groups_per_lane} * tile_.group_rows);
      if (item.first_row >= last_row) continue;
      const int64_t begin = spans[item.first_row].begin;
      const int64_t end =
          std::min<int64_t>(spans[last_row - 1].end, columns(pass).count_below(lane, length_));
      if (begin >= end) continue;
      longest = std::max(longest, narrow(end));
      if (slot > 0) continue;
      const int group = (lane - item.first_lane) * item.groups_per_lane;
      plan_.segments.push_back(
          {walk, lane, narrow(begin), narrow(end), group, group + item.groups_per_lane});
    }
    if (longest > 0 && slot > 0) {
      plan_.segments.push_back({walk, item.first_lane, 0, longest, 0, tile_.groups});
    }
  }

  int64_t tiles(const Item& item) const {
    int64_t sum = 0;
    for (int32_t i = item.first_segment; i < item.last_segment; ++i) {
      const Segment& segment = plan_.segments[static_cast<size_t>(i)];
      sum += (segment.end - segment.begin + tile_.column_tile - 1) / tile_.column_tile;
    }
    return sum;
  }

  /// The longest first, so that none starts late and keeps the GPU waiting.
  void add_stage(const std::vector<Item>& items) {
    std::vector<int64_t> work;
    for (const Item& item : items) work.push_back(tiles(item));
    std::vector<size_t> order(items.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return work[a] > work[b]; });
    plan_.stages.push_back(
        {static_cast<int64_t>(plan_.items.size()), narrow(static_cast<int64_t>(items.size()))});
    for (const size_t i : order) plan_.items.push_back(items[i]);
  }

  int64_t length_;
  RowsAre rows_are_;
  Tile tile_;
  std::vector<const sparse::Pass*> seen_;
  Plan plan_;
};

}  // namespace

Plan make_plan(const HeadPasses& passes, int64_t length, RowsAre rows, const Tile& tile) {
  return Planner(length, rows, tile).make(passes);
}

}  // namespace lacuna::cuda::attention
