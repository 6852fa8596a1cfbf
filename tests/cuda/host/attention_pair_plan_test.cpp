// The joined plan of Hopper's backward pass, walked on the CPU the way its kernel walks it
// (backward_sm90.cuh, backward_producer_sm90.cuh): each attended pair must count once for dk and
// dv and once for dq, and no other pair for either. Needs no GPU.
#include <algorithm>
#include <set>
#include <tuple>

#include "../../../cuda/attention/pair_plan.h"
#include "../../catch.h"
#include "../../kernels/attention_reference.h"

using namespace lacuna;
using namespace lacuna::cuda::attention;

namespace {

constexpr Tile kPairTile{.groups = 8, .group_rows = 16, .column_tile = 64, .shares_tiles = true};
constexpr int kPairRows = 128, kPairColumns = 64;
constexpr int kPairParts[] = {64, 32};  // columns of a product: of wide heads, of narrow ones

/// Rows or columns of a tile, as Place of the kernels has them.
struct Placed {
  int32_t lane, last_lane, first, slot;

  /// -1 for what does not exist.
  int64_t position(const DeviceOrder& order, int64_t length, int i) const {
    const int64_t of_lane = lane + i / slot, index = first + i % slot;
    const int64_t run =
        order.run == 1 ? index
                       : static_cast<int64_t>((static_cast<uint64_t>(index) * order.magic) >> 32);
    const int64_t at = order.offset + of_lane * order.lane_stride + run * order.outer +
                       (index - run * order.run) * order.inner;
    return of_lane < last_lane && at < length ? at : -1;
  }
};

/// How often each pair of a head counts, by query * T + key.
using PairCounts = std::vector<uint8_t>;

/// What a walk through a plan has found.
struct PairsWalked {
  std::vector<PairCounts> dq, dk;                      // by head; dv counts what dk does
  std::vector<std::vector<int>> query_rows, key_rows;  // head, position: how often in stage 0
  std::set<std::string> broken;                        // promises
  int64_t joint = 0, items = 0;
};

/// What a block of threads does with all items of a plan, with products of `part` columns.
class PairBlock {
 public:
  PairBlock(const PairPlan& plan, int64_t heads, int64_t length, int part)
      : plan_(plan), length_(length), part_(part) {
    const auto h = size_t(heads), t = size_t(length);
    walked_.dq.assign(h, PairCounts(t * t));
    walked_.dk = walked_.dq;
    walked_.query_rows.assign(h, std::vector<int>(t));
    walked_.key_rows = walked_.query_rows;
  }

  PairsWalked walk() {
    for (size_t stage = 0; stage < plan_.stages.size(); ++stage) {
      const Stage& s = plan_.stages[stage];
      taken_.clear();
      for (int64_t i = s.first_item; i < s.first_item + s.items; ++i) {
        take_rows(plan_.items[size_t(i)], stage == 0);
        take_segments();
        if (item_.joint != 0) add_slopes();
      }
    }
    return walked_;
  }

 private:
  enum class Judged { kNothing, kSome, kAll };
  static constexpr int8_t kUnset = -1;

  void promise(bool kept, const char* what) {
    if (!kept) walked_.broken.insert(what);
  }
  const Walk& walk_at(int32_t walk) const { return plan_.walks[size_t(walk)]; }
  bool has(bool keys) const { return (keys ? item_.key_walk : item_.query_walk) >= 0; }

  void take_rows(const PairItem& item, bool first_stage) {
    item_ = item;
    ++walked_.items;
    walked_.joint += item.joint;
    own_ = {item.first_lane, item.last_lane, item.first_row,
            item.groups_per_lane * kPairTile.group_rows};
    shares_ = own_.slot < kPairRows;
    promise(item.key_walk < 0 || item.key_walk >= plan_.query_walks, "walks of keys come last");
    promise(item.query_walk < plan_.query_walks, "walks of queries come first");
    promise(has(true) || has(false), "an item has a side");
    promise(item.joint == 0 || (has(true) && has(false)), "a joint item has both sides");
    promise(!shares_ || own_.first == 0, "lanes that share tiles are whole");
    const Walk& rows = walk_at(has(false) ? item.query_walk : item.key_walk);
    for (int row = 0; row < kPairRows; ++row) {
      rows_[row] = own_.position(rows.rows, length_, row);
      if (rows_[row] < 0) continue;
      if (has(true) && has(false)) {
        promise(own_.position(walk_at(item.key_walk).rows, length_, row) == rows_[row],
                "both sides are the same rows");
      }
      for (const bool keys : {false, true}) {
        if (!has(keys)) continue;
        promise(taken_.insert({item.head, rows_[row], keys}).second,
                "a row is in one item of a stage");
        auto& of_side = keys ? walked_.key_rows : walked_.query_rows;
        if (first_stage) ++of_side[size_t(item.head)][size_t(rows_[row])];
      }
    }
    std::fill(&slopes_[0][0][0], &slopes_[0][0][0] + sizeof slopes_, kUnset);
    std::fill(std::begin(has_slopes_), std::end(has_slopes_), false);
  }

  void take_segments() {
    promise(item_.first_segment <= item_.query_segment && item_.query_segment <= item_.last_segment,
            "segments of keys come first");
    for (int32_t i = item_.first_segment; i < item_.last_segment; ++i) {
      const bool keys = i < item_.query_segment;
      segment_ = &plan_.segments[size_t(i)];
      promise((segment_->walk >= plan_.query_walks) == keys && has(keys),
              "a segment is of a side that the item has");
      const int32_t end =
          shares_ ? (item_.last_lane - item_.first_lane) * own_.slot : segment_->end;
      promise(segment_->begin < end, "a segment has a tile");
      promise(segment_->begin >= 0 && (!shares_ || segment_->begin == 0), "segments begin well");
      promise(!shares_ || segment_->end <= own_.slot, "a lane keeps to its slot");
      promise(segment_->own == 0 || (segment_->begin - own_.first) % kPairColumns == 0,
              "own segments begin whole tiles from the first row");
      note_spans();
      check_summaries(end);
      for (int32_t column = segment_->begin; column < end; column += kPairColumns) {
        take_tile(keys, column);
      }
    }
  }

  /// What each row sees, with columns as tiles count them.
  void note_spans() {
    const Walk& walk = walk_at(segment_->walk);
    for (int row = 0; row < kPairRows; ++row) {
      spans_[row] = {0, 0};
      if (rows_[row] < 0) continue;
      const Span span = plan_.spans[size_t(walk.first_span + own_.first + row % own_.slot)];
      const int32_t shift = shares_ ? row / own_.slot * own_.slot : 0;
      spans_[row] = {span.begin + shift, std::min(span.end, segment_->end) + shift};
    }
  }
  bool sees(int row, int64_t column) const {
    return column >= spans_[row].begin && column < spans_[row].end;
  }

  /// `any` spans exactly what some row of a half sees, `all` exactly what all that exist see.
  void check_summaries(int32_t end) {
    for (int half = 0; half < 2; ++half) {
      int rows = 0;
      std::vector<int> seen(size_t(std::max(end, kPairRows)) + 1);
      for (int row = half * 64; row < half * 64 + 64; ++row) {
        if (rows_[row] < 0) continue;
        ++rows;
        for (int64_t c = 0; c < int64_t(seen.size()); ++c) seen[size_t(c)] += sees(row, c) ? 1 : 0;
      }
      const auto first = std::find_if(seen.begin(), seen.end(), [](int n) { return n > 0; });
      const auto last = std::find_if(seen.rbegin(), seen.rend(), [](int n) { return n > 0; });
      const Span any = segment_->any[half], all = segment_->all[half];
      if (first == seen.end()) {
        promise(any.begin >= any.end, "any is empty where nothing is seen");
        continue;
      }
      promise(any.begin == first - seen.begin() && any.end == seen.rend() - last,
              "any is what some rows see");
      const auto common = std::find(seen.begin(), seen.end(), rows);
      const auto many = std::count(seen.begin(), seen.end(), rows);
      promise(many == 0 ? all.begin >= all.end
                        : all.begin == common - seen.begin() && all.end == all.begin + many,
              "all is what all rows see");
    }
  }

  Judged judge(int half, int32_t begin, int32_t end) const {
    const Span any = segment_->any[half], all = segment_->all[half];
    if (begin >= any.end || end <= any.begin) return Judged::kNothing;
    return begin >= all.begin && end <= all.end ? Judged::kAll : Judged::kSome;
  }

  Placed tile_at(int32_t column) const {
    if (shares_) return {own_.lane + column / own_.slot, own_.last_lane, 0, own_.slot};
    return {segment_->lane, segment_->lane + 1, column, kPairColumns};
  }

  void take_tile(bool keys, int32_t column) {
    const int32_t ahead = shares_ ? column : column - own_.first;
    const bool is_own = segment_->own != 0 && ahead >= 0 && ahead < kPairRows;
    own_tile_ = is_own ? ahead / kPairColumns : -1;
    promise(!is_own || has(!keys), "an item's own tile is there");
    const Placed place = tile_at(column);
    for (int i = 0; i < kPairColumns; ++i) {
      columns_[i] = place.position(walk_at(segment_->walk).columns, length_, i);
      if (!is_own) continue;
      promise(columns_[i] == rows_[own_tile_ * kPairColumns + i], "own columns are the rows");
      columns_[i] = rows_[own_tile_ * kPairColumns + i];
    }
    for (int half = 0; half < 2; ++half) {
      for (int part = 0; part < kPairColumns; part += part_) take_part(keys, column, half, part);
    }
  }

  /// A half of the rows against a part of a tile.
  void take_part(bool keys, int32_t column, int half, int part) {
    const Judged judged = judge(half, column + part, column + part + part_);
    const bool stores = keys && own_tile_ >= 0 && item_.joint != 0;
    const int place = half + std::max(own_tile_, 0);
    if (judged != Judged::kNothing && stores) {
      promise(half <= own_tile_, "a first half of queries sees no second half of keys");
      has_slopes_[place] = true;
    }
    for (int row = half * 64; row < half * 64 + 64; ++row) {
      for (int i = part; i < part + part_; ++i) {
        const bool exists = rows_[row] >= 0 && columns_[i] >= 0;
        const bool seen = rows_[row] >= 0 && sees(row, column + i);
        promise(judged != Judged::kNothing || !seen, "nothing is seen of what is left out");
        promise(judged != Judged::kAll || rows_[row] < 0 || seen, "all is seen without a mask");
        const bool counts = exists && (judged == Judged::kAll || (judged == Judged::kSome && seen));
        if (counts) count(keys, rows_[row], columns_[i]);
        // Narrow heads store zeros for parts that they leave out, others have one part only.
        if (stores && half <= own_tile_ && (judged != Judged::kNothing || part_ < kPairColumns)) {
          slopes_[place][row % 64][i] = counts ? 1 : 0;
        }
      }
    }
  }

  void count(bool keys, int64_t row, int64_t column) {
    PairCounts& counts = (keys ? walked_.dk : walked_.dq)[size_t(item_.head)];
    ++counts[size_t(keys ? column * length_ + row : row * length_ + column)];
  }

  /// What a joint item's keys have stored counts for its queries.
  void add_slopes() {
    for (int query_half = 0; query_half < 2; ++query_half) {
      for (int key_half = 0; key_half <= query_half; ++key_half) {
        const int place = key_half + query_half;
        if (!has_slopes_[place]) continue;
        for (int key = 0; key < 64; ++key) {
          for (int query = 0; query < 64; ++query) {
            const int8_t slope = slopes_[place][key][query];
            promise(slope != kUnset, "what is read has been stored");
            if (slope == 1) {
              count(false, rows_[query_half * 64 + query], rows_[key_half * 64 + key]);
            }
          }
        }
      }
    }
  }

  const PairPlan& plan_;
  int64_t length_;
  int part_;
  PairItem item_{};
  Placed own_{};
  bool shares_ = false;
  const PairSegment* segment_ = nullptr;
  int own_tile_ = -1;
  int64_t rows_[kPairRows], columns_[kPairColumns];  // positions
  Span spans_[kPairRows];
  int8_t slopes_[3][64][64];
  bool has_slopes_[3];
  std::set<std::tuple<int32_t, int64_t, bool>> taken_;
  PairsWalked walked_;
};

PairCounts attended_pairs_of(const sparse::Pattern& pattern, int64_t head, int64_t length) {
  PairCounts wanted(size_t(length * length));
  for (int64_t q = 0; q < length; ++q) {
    for (int64_t k = 0; k <= q; ++k) {
      wanted[size_t(q * length + k)] = pattern.attends(head, q, k) ? 1 : 0;
    }
  }
  return wanted;
}

/// `wanted`: of these heads at least.
void check_pair_plan(const std::string& text, const HeadPasses& passes,
                     const std::vector<PairCounts>& wanted, int64_t length, int part) {
  const size_t heads = passes.size();
  const PairPlan plan = make_pair_plan(passes, length, kPairTile);
  const PairsWalked walked = PairBlock(plan, int64_t(heads), length, part).walk();
  CAPTURE(text, heads, length, part);
  CHECK(walked.broken == std::set<std::string>{});
  bool queries_cover = true, keys_cover = true;
  for (size_t h = 0; h < heads; ++h) {
    // Not compared inside of CHECK, which would print them.
    const bool dq_counts = walked.dq[h] == wanted[h], dk_counts = walked.dk[h] == wanted[h];
    CAPTURE(h);
    CHECK(dq_counts);
    CHECK(dk_counts);
    const auto once = [](int n) { return n == 1; };
    const auto& queries = walked.query_rows[h];
    const auto& keys = walked.key_rows[h];
    queries_cover = queries_cover && std::all_of(queries.begin(), queries.end(), once);
    keys_cover = keys_cover && std::all_of(keys.begin(), keys.end(), once);
  }
  CHECK(plan.queries_cover == queries_cover);
  CHECK(plan.keys_cover == keys_cover);
}

void check_pair_plans(const char* text, int64_t most_heads = 4) {
  const sparse::PatternPtr pattern = sparse::parse_pattern(text);
  for (const int64_t length : {1, 15, 64, 128, 131, 260, 640, 1031}) {
    std::vector<PairCounts> wanted;
    for (int64_t heads = 1; heads <= most_heads; ++heads) {
      wanted.push_back(attended_pairs_of(*pattern, heads - 1, length));
      for (const int part : kPairParts) {
        // Of long sequences, numbers of heads take turns.
        if (length > 300 && (heads + part / 32 + length) % most_heads != 0) continue;
        check_pair_plan(text, sparse::head_passes(*pattern, heads, length), wanted, length, part);
      }
    }
  }
}

PairCounts pairs_of(const std::vector<sparse::Pass>& passes, int64_t length) {
  PairCounts wanted(size_t(length * length));
  for (const sparse::Pass& pass : passes) {
    for (int64_t lane = 0; lane < pass.lanes; ++lane) {
      for (int64_t i = 0; i < pass.query_count(lane); ++i) {
        const sparse::Interval seen = pass.interval(lane, i);
        for (int64_t j = seen.begin; j < seen.end; ++j) {
          const int64_t query = pass.queries.position(lane, i), key = pass.keys.position(lane, j);
          ++wanted[size_t(query * length + key)];
        }
      }
    }
  }
  return wanted;
}

/// Query i of a lane sees keys i + begin .. i + end - 1; lanes take turns.
sparse::Pass band(int64_t length, int64_t begin, int64_t end, int64_t lanes = 1) {
  const sparse::Order order{.lane_stride = lanes > 1 ? 1 : 0, .outer = lanes};
  return {.length = length,
          .lanes = lanes,
          .queries = order,
          .keys = order,
          .begin = {.shift = begin},
          .end = {.shift = end}};
}

/// The same for even keys only, begin and end even.
sparse::Pass even_band(int64_t length, int64_t begin, int64_t end) {
  return {.length = length,
          .keys = {.outer = 2},
          .begin = {.shift = begin, .period = 2},
          .end = {.shift = end, .period = 2}};
}

PairsWalked walked_pairs(const char* text, int64_t length) {
  const HeadPasses passes = sparse::head_passes(*sparse::parse_pattern(text), 2, length);
  return PairBlock(make_pair_plan(passes, length, kPairTile), 2, length, kPairColumns).walk();
}

}  // namespace

TEST_CASE("Joined plans count each attended pair once for every pattern", "[plan]") {
  for (const char* pattern : kAttentionPatterns) check_pair_plans(pattern);
}

TEST_CASE("Joined plans count each attended pair once around the borders of tiles", "[plan]") {
  for (const char* pattern : {"local(64)",
                              "local(128)",
                              "local(129)",
                              "local(200)",
                              "block(48) + summary(48, 48)",
                              "block(100)",
                              "block(128)",
                              "block(1024) + summary(1024, 1024)",
                              "fixed(32, 8)",
                              "fixed(48, 16, 3)",
                              "fixed(64, 64, 1)",
                              "fixed(128, 32)",
                              "fixed(128, 128)",
                              "fixed(256, 128)",
                              "fixed(512, 32)",
                              "strided(17, window=paper)",
                              "strided(64)",
                              "strided(96)",
                              "strided(128)",
                              "column(2)",
                              "column(33)",
                              "column(96)",
                              "summary(8, 2, 2)",
                              "summary(20, 5)",
                              "summary(64, 16)",
                              "summary(128, 32)",
                              "summary(512, 32)",
                              "local(32) + summary(64, 8)",
                              "dense() | column(50)",
                              "fixed(128, 32, 4) | strided(96)"}) {
    check_pair_plans(pattern);
  }
}

TEST_CASE("What rows see of their own item is joined", "[plan]") {
  // Every row sees itself, and lanes of keys are lanes of queries.
  for (const char* pattern : {"dense()", "local(7)", "local(96)", "local(200)", "column(2)",
                              "column(7)", "column(40)", "column(96)", "block(128)"}) {
    for (const int64_t length : {15, 131, 640, 1031}) {
      const PairsWalked walked = walked_pairs(pattern, length);
      CAPTURE(pattern, length);
      CHECK(walked.joint == walked.items);
    }
  }
  for (const char* pattern : {"strided(8)", "strided(96)", "strided(128)", "fixed(128, 32)"}) {
    const PairsWalked walked = walked_pairs(pattern, 1031);
    CAPTURE(pattern);
    CHECK(walked.joint > 0);
  }
}

TEST_CASE("Joined plans count each pair once for passes that no pattern makes", "[plan]") {
  for (const int64_t length : {15, 131, 260, 640}) {
    const std::vector<sparse::Pass> lists[] = {
        {band(length, 40, 100)},  // a first half of queries sees keys of the second
        {band(length, -30, 2)},   // at the border of the halves only
        {band(length, -300, -100)},
        {band(length, -20, 1), band(length, -60, -40)},  // two segments are of the own rows
        {band(length, 3, 20, 2)},
        {band(length, 3, 20, 4)},
        {band(length, -3, 20, 40)},
        // As queries, rows take all of these in one stage, as keys in three; so the first item sees
        // itself by the last pass, and its keys of stage 0 are seen by the first one.
        {band(length, -300, -150), even_band(length, -140, -30), band(length, -20, 1)},
    };
    for (size_t i = 0; i < std::size(lists); ++i) {
      for (const int part : kPairParts) {
        check_pair_plan("passes " + std::to_string(i), {lists[i]}, {pairs_of(lists[i], length)},
                        length, part);
      }
    }
  }
}
