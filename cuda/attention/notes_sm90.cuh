// What the copying warp of the Hopper kernels leaves in shared memory for the warpgroups that
// compute, so that nobody else reads tables: where the rows of an item are, and what they see of
// each tile.
#pragma once

#include "attention/copies_sm90.cuh"

namespace lacuna::cuda::attention {

inline constexpr int kSm90Groups = kSm90Rows / 64;
inline constexpr int kSm90Parts = kSm90Rows / 32;  // a warp's thread notes rows thread + 32 * part

/// What a warpgroup sees of a tile.
enum class Seen : int32_t { kNothing, kSome, kAll };

/// What the rows of an item see of one tile.
struct TileNotes {
  // Where something is seen, but not all: the first column of the tile, and 16 bits higher the one
  // past the last.
  uint32_t columns[kSm90Rows];
  Seen seen[kSm90Groups];
  bool last;  // of the item
};

struct HeadPlace {
  int32_t head, batch;
};

struct ItemNotes {
  int32_t positions[kSm90Rows];  // -1: there is no such row
  HeadPlace head;
  bool empty;  // no tile follows
};

/// What the rows of an item see of a segment, read once; a warp's share. Where lanes share tiles,
/// columns are counted as rows are, over all lanes of the item.
struct RowSpans {
  Span span[kSm90Parts];                    // empty for a row that does not exist or sees nothing
  Span any[kSm90Groups], all[kSm90Groups];  // what some, and all, rows of a warpgroup see

  __device__ RowSpans(const Span* table, const Segment& segment, const Place& own,
                      const int32_t* positions) {
    const int thread = static_cast<int>(threadIdx.x) % 32;
    bool exists[kSm90Parts];
#pragma unroll
    for (int part = 0; part < kSm90Parts; ++part) {  // all reads together; the first row does exist
      const int row = part * 32 + thread;
      exists[part] = positions[row] >= 0;
      span[part] = table[exists[part] ? own.index_of(row) : own.first];
    }
#pragma unroll
    for (int group = 0; group < kSm90Groups; ++group) {
      Span some = {INT32_MAX, 0}, common = {0, INT32_MAX};
#pragma unroll
      for (int part = 2 * group; part < 2 * group + 2; ++part) {
        // Of the row's lane, if lanes share tiles.
        const int32_t shift = own.slot < kSm90Rows ? (part * 32 + thread) & -own.slot : 0;
        const Span seen = {span[part].begin + shift, min(span[part].end, segment.end) + shift};
        const bool sees = exists[part] && seen.begin < seen.end;
        span[part] = sees ? seen : Span{0, 0};
        if (exists[part]) {
          common = {max(common.begin, seen.begin), min(common.end, seen.end)};
        }
        if (sees) some = {min(some.begin, seen.begin), max(some.end, seen.end)};
      }
      any[group] = {__reduce_min_sync(~0u, some.begin), __reduce_max_sync(~0u, some.end)};
      all[group] = {__reduce_max_sync(~0u, common.begin), __reduce_min_sync(~0u, common.end)};
    }
  }
  /// Nothing where there is no row.
  __device__ Seen of_tile(int group, int32_t begin, int32_t end) const {
    if (begin >= any[group].end || end <= any[group].begin) return Seen::kNothing;
    return begin >= all[group].begin && end <= all[group].end ? Seen::kAll : Seen::kSome;
  }
};

/// Notes a tile, from column `first` on.
template <int kColumns, class Notes>
__device__ inline void note_tile(Notes* notes, const RowSpans& rows, int32_t first, bool last) {
  const int thread = static_cast<int>(threadIdx.x) % 32;
  Seen seen[kSm90Groups];
#pragma unroll
  for (int group = 0; group < kSm90Groups; ++group) {
    seen[group] = rows.of_tile(group, first, first + kColumns);
    if (seen[group] != Seen::kSome) continue;
#pragma unroll
    for (int part = 2 * group; part < 2 * group + 2; ++part) {
      const int32_t begin = min(max(rows.span[part].begin - first, 0), kColumns);
      const int32_t end = min(max(rows.span[part].end - first, 0), kColumns);
      notes->columns[part * 32 + thread] = static_cast<uint32_t>(begin) | static_cast<uint32_t>(end)
                                                                              << 16;
    }
  }
  if (thread > 0) return;
#pragma unroll
  for (int group = 0; group < kSm90Groups; ++group) notes->seen[group] = seen[group];
  notes->last = last;
}

}  // namespace lacuna::cuda::attention
