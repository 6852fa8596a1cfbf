// From passes to work: which rows one block of threads takes and which columns it walks. A pure
// function of the passes, so it is tested without a GPU.
//
// The kernels differ in what a row is. Forward and dq: rows are queries, columns are keys. dk and
// dv: rows are keys, columns are queries. Either way every row sees one interval of columns per
// pass, and both ends never decrease from row to row; the plan holds those intervals as tables, so
// that no kernel evaluates a bound. All numbers are int32: the host checks that they fit.
#pragma once

#include <cstdint>
#include <vector>

#include "lacuna/kernels/attention.h"

namespace lacuna::cuda::attention {

enum class RowsAre { kQueries, kKeys };

/// How a kernel cuts up its work.
struct Tile {
  int groups;       // of rows in an item; a power of two
  int group_rows;   // rows of a group
  int column_tile;  // columns that a block of threads loads at a time
  // Lanes that share an item share tiles of columns, too: rows and columns i of the n-th lane of an
  // item come at n * groups_per_lane * group_rows + i. Else each tile has columns of one lane.
  bool shares_tiles = false;

  bool operator==(const Tile&) const = default;
};

/// sparse::Order for the device. i / run is (i * magic) >> 32 when run > 1.
struct DeviceOrder {
  int32_t offset, lane_stride, run, outer, inner;
  uint32_t magic;
};

struct Span {
  int32_t begin, end;
};

/// A pass seen from its rows. spans[first_span + i] is what the i-th row of any lane sees, not cut
/// at the number of columns of the lane.
struct Walk {
  DeviceOrder rows, columns;
  int32_t first_span;
};

/// Columns [begin, end) of a lane of a walk, for the groups [first_group, last_group) of an item;
/// where lanes share tiles, of each lane of the item, from 0 on.
struct Segment {
  int32_t walk, lane, begin, end, first_group, last_group;
};

/// What copies of whole tiles must know of a walk besides its orders.
struct Extents {
  int32_t lanes, rows, columns;  // rows and columns: as many as every lane has
  int32_t slot;  // rows, and columns, that a lane takes of a tile that lanes share; else 0
};

/// What one block of threads computes, for each sequence of the batch. Group g holds the rows from
/// first_row + (g mod groups_per_lane) * group_rows on of lane first_lane + g / groups_per_lane, if
/// that is below last_lane. A row exists when its position is below T.
struct Item {
  int32_t head, walk, first_lane, last_lane, first_row, groups_per_lane;
  int32_t first_segment, last_segment;
};

/// Items that no other item of the stage shares a row with.
struct Stage {
  int64_t first_item, items;
};

/// Stage 0 holds the first passes of all heads, each with the later passes of the head that walk
/// the same rows; stage 1 what is left over, and so on. Within a stage the longest items come
/// first.
struct Plan {
  std::vector<Walk> walks;
  std::vector<Extents> extents;      // of the walks
  std::vector<sparse::Pass> passes;  // likewise
  std::vector<Span> spans;
  std::vector<Segment> segments;
  std::vector<Item> items;
  std::vector<Stage> stages;
  bool covers = true;  // stage 0 has every position of every head among its rows
};

/// Later stages leave out items that see nothing.
Plan make_plan(const HeadPasses& passes, int64_t length, RowsAre rows, const Tile& tile);

}  // namespace lacuna::cuda::attention
