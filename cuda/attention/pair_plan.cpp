#include "attention/pair_plan.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <numeric>
#include <optional>

namespace lacuna::cuda::attention {
namespace {

bool same_order(const DeviceOrder& a, const DeviceOrder& b) {
  return std::memcmp(&a, &b, sizeof a) == 0;
}

class Joiner {
 public:
  Joiner(const Plan& queries, const Plan& keys, int64_t length, const Tile& tile)
      : queries_(queries), keys_(keys), length_(length), tile_(tile) {}

  PairPlan join() {
    plan_.walks = queries_.walks;
    plan_.extents = queries_.extents;
    plan_.spans = queries_.spans;
    plan_.query_walks = static_cast<int32_t>(queries_.walks.size());
    const auto first_span = static_cast<int32_t>(queries_.spans.size());
    for (Walk walk : keys_.walks) {
      walk.first_span += first_span;
      plan_.walks.push_back(walk);
    }
    plan_.extents.insert(plan_.extents.end(), keys_.extents.begin(), keys_.extents.end());
    plan_.spans.insert(plan_.spans.end(), keys_.spans.begin(), keys_.spans.end());
    plan_.queries_cover = queries_.covers;
    plan_.keys_cover = keys_.covers;
    for (size_t i = 0; i < std::max(queries_.stages.size(), keys_.stages.size()); ++i) {
      add_stage(items_of(queries_, i), items_of(keys_, i));
    }
    return std::move(plan_);
  }

 private:
  using Items = std::vector<const Item*>;

  static Items items_of(const Plan& plan, size_t stage) {
    Items items;
    if (stage >= plan.stages.size()) return items;
    const Item* first = plan.items.data() + plan.stages[stage].first_item;
    for (int64_t i = 0; i < plan.stages[stage].items; ++i) items.push_back(first + i);
    return items;
  }

  static auto place_of(const Item& item) {
    return std::array{item.head, item.first_lane, item.first_row, item.last_lane,
                      item.groups_per_lane};
  }
  const DeviceOrder& rows_of(const Plan& plan, const Item& item) const {
    return plan.walks[static_cast<size_t>(item.walk)].rows;
  }

  /// Items at the same place are joined where their rows are the same.
  void add_stage(Items queries, Items keys) {
    const auto by_place = [](const Item* a, const Item* b) { return place_of(*a) < place_of(*b); };
    std::sort(queries.begin(), queries.end(), by_place);
    std::sort(keys.begin(), keys.end(), by_place);
    std::vector<PairItem> items;
    auto q = queries.begin(), k = keys.begin();
    while (q != queries.end() || k != keys.end()) {
      const bool with_query = k == keys.end() || (q != queries.end() && !by_place(*k, *q));
      const bool same_place =
          q != queries.end() && k != keys.end() && !by_place(*q, *k) && !by_place(*k, *q);
      const bool both = same_place && same_order(rows_of(queries_, **q), rows_of(keys_, **k));
      const bool take_query = with_query || both;
      items.push_back(join(take_query ? *q : nullptr, both || !take_query ? *k : nullptr));
      if (take_query) ++q;
      if (both || !take_query) ++k;
    }
    sort_by_work(items);
  }

  PairItem join(const Item* query, const Item* key) {
    const Item& any = query != nullptr ? *query : *key;
    const bool joint = query != nullptr && key != nullptr && are_joint(*query, *key);
    PairItem item{.head = any.head,
                  .first_lane = any.first_lane,
                  .last_lane = any.last_lane,
                  .first_row = any.first_row,
                  .groups_per_lane = any.groups_per_lane,
                  .joint = joint ? 1 : 0,
                  .query_walk = query != nullptr ? query->walk : -1,
                  .key_walk = key != nullptr ? key->walk + plan_.query_walks : -1,
                  .first_segment = static_cast<int32_t>(plan_.segments.size()),
                  .query_segment = 0,
                  .last_segment = 0};
    const bool both = query != nullptr && key != nullptr;
    if (key != nullptr) add_segments(keys_, *key, plan_.query_walks, both, false);
    item.query_segment = static_cast<int32_t>(plan_.segments.size());
    if (query != nullptr) add_segments(queries_, *query, 0, both, joint);
    item.last_segment = static_cast<int32_t>(plan_.segments.size());
    return item;
  }

  /// The only segment of an item whose columns are its rows.
  const Segment* own_segment(const Plan& plan, const Item& item) const {
    const Segment* found = nullptr;
    for (int32_t i = item.first_segment; i < item.last_segment; ++i) {
      const Segment& segment = plan.segments[static_cast<size_t>(i)];
      const Walk& walk = plan.walks[static_cast<size_t>(segment.walk)];
      if (!same_order(walk.columns, rows_of(plan, item))) continue;
      if (found != nullptr && found->walk != segment.walk) return nullptr;
      found = &segment;
    }
    return found;
  }

  bool are_joint(const Item& query, const Item& key) const {
    const Segment *keys = own_segment(queries_, query), *queries = own_segment(keys_, key);
    if (keys == nullptr || queries == nullptr ||
        queries_.passes[static_cast<size_t>(keys->walk)] !=
            keys_.passes[static_cast<size_t>(queries->walk)]) {
      return false;
    }
    const int32_t half = tile_.groups * tile_.group_rows / 2;
    const int32_t first = shares(key) ? 0 : key.first_row;
    if (!shares(query) && keys->end > query.first_row + 2 * half) return false;
    for (int row = half; row < 2 * half; ++row) {
      const std::optional<Span> seen = seen_by(keys_, key, *queries, row);
      if (seen && seen->begin < std::min(seen->end, first + half)) return false;
    }
    return true;
  }

  bool shares(const Item& item) const { return item.groups_per_lane < tile_.groups; }

  /// Leaves out what the rows of a `joint` item see of each other.
  void add_segments(const Plan& plan, const Item& item, int32_t first_walk, bool both, bool joint) {
    for (int32_t i = item.first_segment; i < item.last_segment; ++i) {
      Segment segment = plan.segments[static_cast<size_t>(i)];
      const Walk& walk = plan.walks[static_cast<size_t>(segment.walk)];
      const bool own = both && same_order(walk.columns, rows_of(plan, item));
      if (own && !shares(item)) {
        segment.begin = item.first_row - round_up(item.first_row - segment.begin);
      }
      if (own && joint) segment.end = shares(item) ? 0 : std::min(segment.end, item.first_row);
      if (segment.begin >= segment.end) continue;
      PairSegment made{.walk = segment.walk + first_walk,
                       .lane = segment.lane,
                       .begin = segment.begin,
                       .end = segment.end,
                       .own = own ? 1 : 0,
                       .any = {},
                       .all = {}};
      const int half = tile_.groups * tile_.group_rows / 2;
      for (int i_half = 0; i_half < 2; ++i_half) {
        Span& any = made.any[i_half] = {std::numeric_limits<int32_t>::max(), 0};
        Span& all = made.all[i_half] = {0, std::numeric_limits<int32_t>::max()};
        for (int row = i_half * half; row < (i_half + 1) * half; ++row) {
          const std::optional<Span> seen = seen_by(plan, item, segment, row);
          if (!seen) continue;
          all = {std::max(all.begin, seen->begin), std::min(all.end, seen->end)};
          if (seen->begin >= seen->end) continue;
          any = {std::min(any.begin, seen->begin), std::max(any.end, seen->end)};
        }
      }
      plan_.segments.push_back(made);
    }
  }

  /// Of a row that exists.
  std::optional<Span> seen_by(const Plan& plan, const Item& item, const Segment& segment,
                              int row) const {
    const int slot = item.groups_per_lane * tile_.group_rows;
    const int32_t lane = item.first_lane + row / slot, index = item.first_row + row % slot;
    const Walk& walk = plan.walks[static_cast<size_t>(segment.walk)];
    if (lane >= item.last_lane || position_of(walk.rows, lane, index) >= length_) return {};
    const Span seen = plan.spans[static_cast<size_t>(walk.first_span + index)];
    const int32_t shift = shares(item) ? row / slot * slot : 0;
    return Span{seen.begin + shift, std::min(seen.end, segment.end) + shift};
  }

  static int64_t position_of(const DeviceOrder& order, int64_t lane, int64_t index) {
    return order.offset + lane * order.lane_stride + index / order.run * order.outer +
           index % order.run * order.inner;
  }

  /// To whole tiles of columns, also what is negative.
  int32_t round_up(int32_t columns) const {
    const int32_t tile = tile_.column_tile, more = columns + tile - 1;
    return more - (more % tile + tile) % tile;
  }

  /// Products of an item, up to a factor: three a tile of keys, four a tile of queries.
  int64_t work_of(const PairItem& item) const {
    int64_t sum = 0;
    for (int32_t i = item.first_segment; i < item.last_segment; ++i) {
      const PairSegment& segment = plan_.segments[static_cast<size_t>(i)];
      const int64_t tiles =
          (segment.end - segment.begin + tile_.column_tile - 1) / tile_.column_tile;
      sum += tiles * (i < item.query_segment ? 4 : 3);
    }
    return sum;
  }

  /// The longest first.
  void sort_by_work(const std::vector<PairItem>& items) {
    std::vector<int64_t> work;
    for (const PairItem& item : items) work.push_back(work_of(item));
    std::vector<size_t> order(items.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return work[a] > work[b]; });
    plan_.stages.push_back(
        {static_cast<int64_t>(plan_.items.size()), static_cast<int64_t>(items.size())});
    for (const size_t i : order) plan_.items.push_back(items[i]);
  }

  const Plan &queries_, &keys_;
  int64_t length_;
  const Tile& tile_;
  PairPlan plan_;
};

}  // namespace

PairPlan make_pair_plan(const HeadPasses& passes, int64_t length, const Tile& tile) {
  const Plan queries = make_plan(passes, length, RowsAre::kQueries, tile);
  const Plan keys = make_plan(passes, length, RowsAre::kKeys, tile);
  return Joiner(queries, keys, length, tile).join();
}

}  // namespace lacuna::cuda::attention
