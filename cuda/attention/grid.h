// How passes are cut into items, before any item is written down: what plans are made from, and
// from what their sizes are known without making them.
#pragma once

#include <string>

#include "plan.h"

namespace lacuna::cuda::attention {

/// Passes of a head whose rows are the same lanes of the same positions: they share a running
/// softmax or sum.
struct Grid {
  std::vector<const sparse::Pass*> passes;
  int64_t rows;         // that a lane has at most
  int groups_per_lane;  // a power of two, so that lanes fill an item
  int32_t slot;         // as in Extents

  int64_t lanes() const { return passes[0]->lanes; }
  int64_t lanes_at_once(const Tile& tile) const { return tile.groups / groups_per_lane; }
  int64_t rows_at_once(const Tile& tile) const {
    return int64_t{groups_per_lane} * tile.group_rows;
  }
};

/// In the order of the passes, which must outlive them.
std::vector<Grid> grids_of(const std::vector<sparse::Pass>& of_head, RowsAre rows,
                           const Tile& tile);

const sparse::Order& row_order(const sparse::Pass& pass, RowsAre rows);
const sparse::Order& column_order(const sparse::Pass& pass, RowsAre rows);
/// What any lane of a pass has in this order at most, and what each of them has.
int64_t most(const sparse::Pass& pass, const sparse::Order& order);
int64_t fewest(const sparse::Pass& pass, const sparse::Order& order);

/// These throw Error(kConfig) naming model.context where 32 bits do not hold it. `count`: the
/// indices that a lane has at most.
int32_t narrow(int64_t value);
DeviceOrder device_order(const sparse::Order& order, int64_t length, int64_t count);

}  // namespace lacuna::cuda::attention
