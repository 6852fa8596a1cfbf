// Work of the Hopper backward pass, whose items have two sides: rows as queries, which get dq, and
// the same rows as keys, which get dk and dv. A plan of either kind is made as for the other
// families; here they are joined, so that what both sides need is read once.
#pragma once

#include "plan.h"

namespace lacuna::cuda::attention {

/// Columns [begin, end) of a lane that an item walks, as in Segment. `own`: they are the rows of
/// the item itself, in the same order; such a segment begins a whole number of column tiles before
/// or after the item's first row. Where lanes share tiles, columns are counted over all of them as
/// the item's rows are.
struct alignas(16) PairSegment {
  int32_t walk, lane, begin, end, own;
  Span any[2], all[2];  // what some, and all, rows of each half of the item see, if there are any
};

/// As Item. Segments [first_segment, query_segment) are queries by which the rows are seen as keys,
/// those from query_segment to last_segment keys that they see as queries. `joint`: what the rows
/// see of each other stands among the former alone, and serves dq, too; the second half of the keys
/// is not seen by the first half of the queries.
struct PairItem {
  int32_t head, first_lane, last_lane, first_row, groups_per_lane, joint;
  int32_t query_walk, key_walk;  // of the rows; -1: without this side
  int32_t first_segment, query_segment, last_segment;
};

/// As Plan.
struct PairPlan {
  std::vector<Walk> walks;
  std::vector<Extents> extents;
  int32_t query_walks;  // the first of the walks: columns are keys; of the others they are queries
  std::vector<Span> spans;
  std::vector<PairSegment> segments;
  std::vector<PairItem> items;
  std::vector<Stage> stages;
  bool queries_cover, keys_cover;
};

PairPlan make_pair_plan(const HeadPasses& passes, int64_t length, const Tile& tile);

}  // namespace lacuna::cuda::attention
