#include "attention/tables.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <type_traits>

#include "attention/grid.h"
#include "lacuna/kernels/attention_tables.h"

namespace lacuna::cuda {
namespace attention {
namespace {

constexpr size_t kAlignment = 256;
static_assert(std::has_unique_object_representations_v<sparse::Pass>,
              "padding would spoil the key");

template <class T>
std::string bytes_of(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

std::string bytes_of_passes(const std::vector<sparse::Pass>& passes) {
  std::string bytes = bytes_of(passes.size());
  for (const sparse::Pass& pass : passes) bytes += bytes_of(pass);
  return bytes;
}

size_t aligned(size_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

/// Where an array begins that comes after `end` bytes, which then include it.
template <class T>
size_t add(const std::vector<T>& values, size_t& end) {
  const size_t at = end;
  end = aligned(at + values.size() * sizeof(T));
  return at;
}

template <class T>
void put(const std::vector<T>& values, size_t at, std::vector<unsigned char>& bytes) {
  if (!values.empty()) std::memcpy(bytes.data() + at, values.data(), values.size() * sizeof(T));
}

/// Entries of a plan's arrays.
struct Entries {
  int64_t items = 0, segments = 0, walks = 0, spans = 0;
};

int64_t parts(int64_t count, int64_t of) {
  return (count + of - 1) / of;
}

int64_t items_of(const Grid& grid, const Tile& tile) {
  return parts(grid.lanes(), grid.lanes_at_once(tile)) * parts(grid.rows, grid.rows_at_once(tile));
}

int64_t segments_of(const Grid& grid, const Tile& tile) {
  const int64_t lanes =
      grid.slot > 0 ? parts(grid.lanes(), grid.lanes_at_once(tile)) : grid.lanes();
  return lanes * parts(grid.rows, grid.rows_at_once(tile)) *
         static_cast<int64_t>(grid.passes.size());
}

Entries entries_at_most(const HeadPasses& passes, int64_t length, RowsAre rows, const Tile& tile) {
  Entries entries;
  std::set<std::string> walks;
  for (const auto& of_head : passes) {
    for (const Grid& grid : grids_of(of_head, rows, tile)) {
      entries.items += items_of(grid, tile);
      entries.segments += segments_of(grid, tile);
      for (const sparse::Pass* pass : grid.passes) {
        if (!walks.insert(bytes_of(*pass) + bytes_of(grid.slot)).second) continue;
        for (const sparse::Order* order : {&pass->queries, &pass->keys}) {
          device_order(*order, length, most(*pass, *order));  // throws
        }
        entries.spans += most(*pass, row_order(*pass, rows));
      }
    }
  }
  entries.walks = static_cast<int64_t>(walks.size());
  return entries;
}

/// Items of queries and items of keys that are at the same places, and so become one.
int64_t joined_items(const HeadPasses& passes, const Tile& tile) {
  int64_t joined = 0;
  for (const auto& of_head : passes) {
    const std::vector<Grid> queries = grids_of(of_head, RowsAre::kQueries, tile),
                            keys = grids_of(of_head, RowsAre::kKeys, tile);
    for (size_t stage = 0; stage < std::min(queries.size(), keys.size()); ++stage) {
      const Grid &q = queries[stage], &k = keys[stage];
      if (q.lanes() == k.lanes() && q.groups_per_lane == k.groups_per_lane &&
          q.passes[0]->queries == k.passes[0]->keys) {
        joined += items_of(q, tile);
      }
    }
  }
  return joined;
}

template <class ItemOfPlan, class SegmentOfPlan>
size_t bytes_of_entries(const Entries& entries) {
  const auto bytes = [](int64_t count, size_t size) {
    return aligned(static_cast<size_t>(narrow(count)) * size);
  };
  return bytes(entries.items, sizeof(ItemOfPlan)) + bytes(entries.segments, sizeof(SegmentOfPlan)) +
         bytes(entries.walks, sizeof(Walk)) + bytes(entries.spans, sizeof(Span));
}

/// Bytes of every distinct set of tables, each counted once.
class Counter {
 public:
  explicit Counter(const AttentionTables& tables) : tables_(tables) {}

  void add_layer(const HeadPasses& passes) {
    const Problem problem{
        .dtype = tables_.dtype, .qk = tables_.qk, .v = tables_.v, .capability = tables_.capability};
    const auto chosen = [&](Kernel kernel) {
      return choose(kernel, problem, passes, tables_.kernels);
    };
    if (tables_.forward) add_plan(TableKind::kRows, passes, chosen(Kernel::kForward));
    if (tables_.backward) {
      const Choice queries = chosen(Kernel::kBackwardQueries);
      if (queries.family == Family::kSm90) {
        add_plan(TableKind::kPairs, passes, queries);
      } else {
        add_plan(TableKind::kRows, passes, queries);
        add_plan(TableKind::kRows, passes, chosen(Kernel::kBackwardKeys));
      }
    }
    if (tables_.decode) {
      std::string key = "decode";
      for (const auto& of_head : passes) key += bytes_of_passes(of_head);
      add(key, [&] { return decode_table_bytes(passes, tables_.length); });
    }
  }
  size_t bytes() const { return bytes_; }

 private:
  void add_plan(TableKind kind, const HeadPasses& passes, const Choice& choice) {
    add(key_of(kind, passes, tables_.length, choice),
        [&] { return bytes_at_most(kind, passes, tables_.length, choice); });
  }

  template <class Count>
  void add(const std::string& key, const Count& count) {
    if (counted_.insert(key).second) bytes_ += count();
  }

  const AttentionTables& tables_;
  std::set<std::string> counted_;
  size_t bytes_ = 0;
};

}  // namespace

std::string key_of(TableKind kind, const HeadPasses& passes, int64_t length, const Choice& choice) {
  std::string key = kind == TableKind::kRows ? "attention " : "attention pairs ";
  key += bytes_of(length) + bytes_of(choice.rows);
  const Tile& tile = choice.tile;
  key += bytes_of(tile.groups) + bytes_of(tile.group_rows) + bytes_of(tile.column_tile) +
         bytes_of(tile.shares_tiles);
  for (const auto& of_head : passes) key += bytes_of_passes(of_head);
  return key;
}

size_t bytes_at_most(TableKind kind, const HeadPasses& passes, int64_t length,
                     const Choice& choice) {
  const Tile& tile = choice.tile;
  if (kind == TableKind::kRows) {
    return bytes_of_entries<Item, Segment>(entries_at_most(passes, length, choice.rows, tile));
  }
  const Entries queries = entries_at_most(passes, length, RowsAre::kQueries, tile),
                keys = entries_at_most(passes, length, RowsAre::kKeys, tile);
  return bytes_of_entries<PairItem, PairSegment>(
      {.items = queries.items + keys.items - joined_items(passes, tile),
       .segments = queries.segments + keys.segments,
       .walks = 0,  // they go to the kernel with its arguments
       .spans = queries.spans + keys.spans});
}

TableLayout layout_of(const Plan& plan) {
  TableLayout layout{};
  layout.items = add(plan.items, layout.bytes);
  layout.segments = add(plan.segments, layout.bytes);
  layout.walks = add(plan.walks, layout.bytes);
  layout.spans = add(plan.spans, layout.bytes);
  return layout;
}

TableLayout layout_of(const PairPlan& plan) {
  TableLayout layout{};
  layout.items = add(plan.items, layout.bytes);
  layout.segments = add(plan.segments, layout.bytes);
  layout.spans = add(plan.spans, layout.bytes);
  return layout;
}

std::vector<unsigned char> packed(const Plan& plan) {
  const TableLayout layout = layout_of(plan);
  std::vector<unsigned char> bytes(layout.bytes);
  put(plan.items, layout.items, bytes);
  put(plan.segments, layout.segments, bytes);
  put(plan.walks, layout.walks, bytes);
  put(plan.spans, layout.spans, bytes);
  return bytes;
}

std::vector<unsigned char> packed(const PairPlan& plan) {
  const TableLayout layout = layout_of(plan);
  std::vector<unsigned char> bytes(layout.bytes);
  put(plan.items, layout.items, bytes);
  put(plan.segments, layout.segments, bytes);
  put(plan.spans, layout.spans, bytes);
  return bytes;
}

// Heads with the same passes share: what each position sees of each pass (two numbers), the keys of
// the passes in their order, and the slot of each position.
size_t decode_table_bytes(const HeadPasses& passes, int64_t length) {
  std::set<std::string> distinct;
  size_t numbers = 0;
  for (const auto& of_head : passes) {
    if (!distinct.insert(bytes_of_passes(of_head)).second) continue;
    for (const sparse::Pass& pass : of_head) {
      for (int64_t lane = 0; lane < pass.lanes; ++lane) {
        numbers += static_cast<size_t>(pass.key_count(lane));
      }
    }
    numbers += (2 * of_head.size() + 1) * static_cast<size_t>(length);
  }
  return numbers * sizeof(int32_t) + passes.size() * kDecodeHeadBytes;
}

}  // namespace attention

size_t attention_table_bytes(const std::vector<const HeadPasses*>& layers,
                             const AttentionTables& tables) {
  attention::Counter counter(tables);
  for (const HeadPasses* passes : layers) counter.add_layer(*passes);
  return counter.bytes();
}

}  // namespace lacuna::cuda
