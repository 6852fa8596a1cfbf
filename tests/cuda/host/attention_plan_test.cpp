// The plan of attention on the GPU, walked on the CPU the way the kernels walk it: it must attend
// exactly the pairs of the pattern, each once. Needs no GPU.
#include <map>

#include "../../../cuda/attention/plan.h"
#include "../../catch.h"
#include "../../kernels/attention_reference.h"

using namespace lacuna;
using namespace lacuna::cuda::attention;

namespace {

constexpr Tile kNarrow{.groups = 4, .group_rows = 16, .column_tile = 64};
constexpr Tile kWide{.groups = 4, .group_rows = 32, .column_tile = 64};
constexpr Tile kShared{.groups = 8, .group_rows = 16, .column_tile = 128, .shares_tiles = true};

int64_t position_of(const DeviceOrder& order, int64_t lane, int64_t i) {
  const int64_t run =
      order.run == 1 ? i : static_cast<int64_t>((static_cast<uint64_t>(i) * order.magic) >> 32);
  return order.offset + lane * order.lane_stride + run * order.outer +
         (i - run * order.run) * order.inner;
}

using Pairs = std::map<std::pair<int64_t, int64_t>, int>;  // (query, key) -> how often

struct Walked {
  std::vector<Pairs> of_head;
  std::vector<std::vector<int>> first_rows;  // head, position: how often a row of stage 0
  bool segments_cover_spans = true;
  bool slots_hold_lanes = true;
  bool rows_once = true;  // in each stage
};

class Walker {
 public:
  Walker(const Plan& plan, int64_t heads, int64_t length, RowsAre rows, const Tile& tile)
      : plan_(plan), length_(length), by_query_(rows == RowsAre::kQueries), tile_(tile) {
    walked_.of_head.resize(size_t(heads));
    walked_.first_rows.assign(size_t(heads), std::vector<int>(size_t(length)));
  }

  Walked walk() {
    for (size_t stage = 0; stage < plan_.stages.size(); ++stage) {
      taken_.clear();
      const Stage& s = plan_.stages[stage];
      for (int64_t i = s.first_item; i < s.first_item + s.items; ++i) {
        for (int group = 0; group < tile_.groups; ++group) {
          for (int row = 0; row < tile_.group_rows; ++row) {
            walk_row(plan_.items[size_t(i)], group, row, stage == 0);
          }
        }
      }
    }
    return walked_;
  }

 private:
  void walk_row(const Item& item, int group, int row, bool first_stage) {
    const int32_t lane = item.first_lane + group / item.groups_per_lane;
    if (lane >= item.last_lane) return;
    const int64_t index = item.first_row + group % item.groups_per_lane * tile_.group_rows + row;
    const int64_t position = position_of(plan_.walks[size_t(item.walk)].rows, lane, index);
    if (position >= length_) return;
    const auto head = size_t(item.head);
    if (first_stage) ++walked_.first_rows[head][size_t(position)];
    if (++taken_[{item.head, position}] > 1) walked_.rows_once = false;
    const bool shares = tile_.shares_tiles && item.groups_per_lane < tile_.groups;
    const int64_t slot = shares ? item.groups_per_lane * tile_.group_rows : 0;
    for (int32_t i = item.first_segment; i < item.last_segment; ++i) {
      const Segment& segment = plan_.segments[size_t(i)];
      const Extents& has = plan_.extents[size_t(segment.walk)];
      if (has.slot != slot || (shares && (segment.begin != 0 || segment.end > slot))) {
        walked_.slots_hold_lanes = false;
      }
      if (group < segment.first_group || group >= segment.last_group) continue;
      const Walk& walk = plan_.walks[size_t(segment.walk)];
      const Span span = plan_.spans[size_t(walk.first_span + index)];
      if (span.begin < span.end && span.begin < segment.begin) walked_.segments_cover_spans = false;
      for (int64_t c = span.begin; c < std::min(span.end, segment.end); ++c) {
        const int64_t other = position_of(walk.columns, shares ? lane : segment.lane, c);
        if (shares && other >= length_) continue;  // of a shorter lane: zeros in the tile
        const auto pair = by_query_ ? std::pair(position, other) : std::pair(other, position);
        ++walked_.of_head[head][pair];
      }
    }
  }

  const Plan& plan_;
  int64_t length_;
  bool by_query_;
  Tile tile_;
  std::map<std::pair<int64_t, int64_t>, int> taken_;
  Walked walked_;
};

void check_plan(const std::string& text, int64_t length, RowsAre rows, const Tile& tile) {
  constexpr int64_t kHeads = 3;
  const sparse::PatternPtr pattern = sparse::parse_pattern(text);
  const HeadPasses passes = sparse::head_passes(*pattern, kHeads, length);
  const Plan plan = make_plan(passes, length, rows, tile);
  const Walked walked = Walker(plan, kHeads, length, rows, tile).walk();
  CAPTURE(text, length, rows == RowsAre::kQueries, tile.groups, tile.group_rows);
  CHECK(walked.segments_cover_spans);
  CHECK(walked.slots_hold_lanes);
  CHECK(walked.rows_once);
  bool covers = true;
  for (int64_t h = 0; h < kHeads; ++h) {
    Pairs wanted;
    for (int64_t q = 0; q < length; ++q) {
      covers = covers && walked.first_rows[size_t(h)][size_t(q)] == 1;
      for (int64_t k = 0; k <= q; ++k) {
        if (pattern->attends(h, q, k)) wanted[{q, k}] = 1;
      }
    }
    CHECK(walked.of_head[size_t(h)] == wanted);
  }
  CHECK(plan.covers == covers);
}

}  // namespace

TEST_CASE("The tiles of the GPU's attention cover exactly the attended pairs", "[plan]") {
  for (const char* pattern : kAttentionPatterns) {
    for (const int64_t length : {1, 15, 16, 17, 63, 64, 65, 131, 200}) {
      for (const RowsAre rows : {RowsAre::kQueries, RowsAre::kKeys}) {
        check_plan(pattern, length, rows, length % 2 == 0 ? kNarrow : kWide);
        check_plan(pattern, length, rows, kShared);
      }
    }
  }
}

TEST_CASE("Short lanes share a block, long ones do not", "[plan]") {
  const auto plan_of = [](const char* text, int64_t length, const Tile& tile) {
    return make_plan({sparse::parse_pattern(text)->passes(0, length, sparse::kEverything)}, length,
                     RowsAre::kQueries, tile);
  };
  // 96 lanes of 32 positions: two groups of 16 a lane, so two lanes an item.
  const Plan cifar = plan_of("column(96)", 3072, kNarrow);
  CHECK(cifar.items.size() == 48);
  CHECK(cifar.segments.size() == 96);
  CHECK(cifar.items[0].groups_per_lane == 2);
  // 128 lanes of 96 positions: three groups of 32 a lane, one group idle.
  CHECK(plan_of("column(128)", 12288, kWide).items.size() == 128);
  // One position a lane: four lanes an item.
  CHECK(plan_of("column(64)", 64, kNarrow).items.size() == 16);
}

TEST_CASE("Where tiles are shared, several short lanes make one tile", "[plan]") {
  const auto plan_of = [](const char* text, int64_t length) {
    return make_plan({sparse::parse_pattern(text)->passes(0, length, sparse::kEverything)}, length,
                     RowsAre::kQueries, kShared);
  };
  // 96 lanes of 32 positions: four an item, in one tile.
  const Plan cifar = plan_of("column(96)", 3072);
  CHECK(cifar.items.size() == 24);
  CHECK(cifar.segments.size() == 24);
  CHECK(cifar.extents[0].slot == 32);
  // Lanes of 33: two an item, and of different lengths where T is ragged.
  const Plan ragged = plan_of("column(96)", 96 * 32 + 5);
  CHECK(ragged.items.size() == 48);
  CHECK(ragged.extents[0].slot == 64);
  CHECK(ragged.extents[0].rows == 32);
  // One lane, however short, has its tiles for itself, and so have lanes of more than a half.
  CHECK(plan_of("dense()", 10).extents[0].slot == 0);
  CHECK(plan_of("column(2)", 160).extents[0].slot == 0);
  CHECK(plan_of("column(2)", 160).items.size() == 2);
}

TEST_CASE("The longest items of a stage come first", "[plan]") {
  const Plan plan =
      make_plan({sparse::parse_pattern("dense()")->passes(0, 1024, sparse::kEverything)}, 1024,
                RowsAre::kQueries, kNarrow);
  REQUIRE(plan.items.size() == 16);
  CHECK(plan.items.front().first_row == 960);
  CHECK(plan.items.back().first_row == 0);
}

TEST_CASE("Strides far beyond the sequence make no row exist twice", "[plan]") {
  // 8 * 2^29 is 0 in 32 bits.
  const HeadPasses passes =
      sparse::head_passes(*sparse::parse_pattern("column(536870912)"), 1, 100);
  for (const RowsAre rows : {RowsAre::kQueries, RowsAre::kKeys}) {
    const Plan plan = make_plan(passes, 100, rows, kShared);
    for (const Walk& walk : plan.walks) {
      for (int64_t i = 1; i < 1000; ++i) CHECK(position_of(walk.rows, 0, i) >= 100);
    }
  }
  CHECK_NOTHROW(
      make_plan(sparse::head_passes(*sparse::parse_pattern("column(1099511627776)"), 1, 9), 9,
                RowsAre::kQueries, kShared));
}

TEST_CASE("Long summaries of a million positions have a plan", "[plan]") {
  const int64_t length = int64_t{1} << 20;
  const HeadPasses passes =
      sparse::head_passes(*sparse::parse_pattern("fixed(131072, 4096)"), 1, length);
  CHECK_NOTHROW(make_plan(passes, length, RowsAre::kKeys, kShared));
}
