#include "attention/grid.h"

#include <algorithm>
#include <limits>

#include "lacuna/base/error.h"
#include "lacuna/base/text.h"

namespace lacuna::cuda::attention {
namespace {

[[noreturn]] void too_long(const std::string& why) {
  throw Error(ErrorKind::kConfig, "model.context", "a GPU cannot walk the pattern: " + why,
              "Lower model.context or the stride");
}

/// Lanes share tiles of columns only where all columns of each have room.
int groups_per_lane(const Grid& grid, RowsAre rows, const Tile& tile) {
  int64_t needed = grid.rows;
  if (tile.shares_tiles) {
    if (grid.lanes() == 1) return tile.groups;
    for (const sparse::Pass* pass : grid.passes) {
      needed = std::max(needed, most(*pass, column_order(*pass, rows)));
    }
  }
  int count = 1;
  while (count * tile.group_rows < needed && count < tile.groups) count *= 2;
  return count;
}

}  // namespace

const sparse::Order& row_order(const sparse::Pass& pass, RowsAre rows) {
  return rows == RowsAre::kQueries ? pass.queries : pass.keys;
}

const sparse::Order& column_order(const sparse::Pass& pass, RowsAre rows) {
  return rows == RowsAre::kQueries ? pass.keys : pass.queries;
}

std::vector<Grid> grids_of(const std::vector<sparse::Pass>& of_head, RowsAre rows,
                           const Tile& tile) {
  std::vector<Grid> grids;
  for (const sparse::Pass& pass : of_head) {
    const auto same = [&](const Grid& grid) {
      return grid.lanes() == pass.lanes &&
             row_order(*grid.passes[0], rows) == row_order(pass, rows);
    };
    // Only the last grid, so that the passes of a head keep their order.
    if (grids.empty() || !same(grids.back())) grids.emplace_back();
    grids.back().passes.push_back(&pass);
  }
  for (Grid& grid : grids) {
    grid.rows = most(*grid.passes[0], row_order(*grid.passes[0], rows));
    grid.groups_per_lane = groups_per_lane(grid, rows, tile);
    const bool shares = tile.shares_tiles && grid.groups_per_lane < tile.groups;
    grid.slot = shares ? grid.groups_per_lane * tile.group_rows : 0;
  }
  return grids;
}

int64_t most(const sparse::Pass& pass, const sparse::Order& order) {
  int64_t count = 0;
  for (int64_t lane = 0; lane < pass.lanes; ++lane) {
    count = std::max(count, order.count_below(lane, pass.length));
  }
  return count;
}

int64_t fewest(const sparse::Pass& pass, const sparse::Order& order) {
  int64_t count = pass.length;
  for (int64_t lane = 0; lane < pass.lanes; ++lane) {
    count = std::min(count, order.count_below(lane, pass.length));
  }
  return count;
}

int32_t narrow(int64_t value) {
  if (value < std::numeric_limits<int32_t>::min() || value > std::numeric_limits<int32_t>::max()) {
    too_long("the tables of attention would have more than 2^31 entries");
  }
  return static_cast<int32_t>(value);
}

DeviceOrder device_order(const sparse::Order& order, int64_t length, int64_t count) {
  // What begins beyond the sequence does not exist, however far beyond.
  const auto within = [&](int64_t distance) { return narrow(std::min(distance, length)); };
  DeviceOrder made{within(order.offset), within(order.lane_stride), narrow(order.run),
                   within(order.outer),  within(order.inner),       0};
  if (order.run == 1) return made;
  // i * ceil(2^32 / run) / 2^32 is i / run, rounded down, as long as i * run < 2^32. Kernels ask
  // for indices of the tile that holds the last one, too.
  constexpr int64_t kBeyond = 1024;
  if ((count + kBeyond) * order.run >= int64_t{1} << 32) {
    too_long(str(count, " positions of a lane and runs of ", order.run,
                 " of them are more than 2^32 together"));
  }
  made.magic = static_cast<uint32_t>(((uint64_t{1} << 32) + static_cast<uint64_t>(order.run) - 1) /
                                     static_cast<uint64_t>(order.run));
  return made;
}

}  // namespace lacuna::cuda::attention
