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

/// What the rows of an item see of one tile, and with kStatistics lse and delta of its columns.
template <int kColumns, bool kStatistics>
struct TileNotes {
  // Where something is seen, but not all: the first column of the tile, and 16 bits higher the one
  // past the last.
  uint32_t columns[kSm90Rows];
  Seen seen[kSm90Groups];
  bool last;  // of the item
  alignas(8) float lse[kStatistics ? kColumns : 2];
  alignas(8) float delta[kStatistics ? kColumns : 2];
};

struct HeadPlace {
  int32_t head, batch;
};

struct ItemNotes {
  int32_t positions[kSm90Rows];  // -1: there is no such row
  HeadPlace head;
  bool empty;  // no tile follows
};

/// What the rows of an item see of a segment, read once; a warp's share.
struct RowSpans {
  Span span[kSm90Parts];  // begin -1: there is no such row
  Span all[kSm90Groups];  // what all rows of a warpgroup see, if it has any

  __device__ RowSpans(const Span* table, const Segment& segment, const Place& own,
                      const int32_t* positions) {
    const int thread = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
    for (int group = 0; group < kSm90Groups; ++group) {
      Span common = {0, INT32_MAX};
      bool any = false;
#pragma unroll
      for (int part = 2 * group; part < 2 * group + 2; ++part) {
        const int row = part * 32 + thread;
        span[part] = {-1, 0};
        if (positions[row] < 0) continue;
        span[part] = table[own.index_of(row)];
        span[part].end = min(span[part].end, segment.end);
        common = {max(common.begin, span[part].begin), min(common.end, span[part].end)};
        any = true;
      }
      all[group] = {__reduce_max_sync(~0u, common.begin), __reduce_min_sync(~0u, common.end)};
      if (!__any_sync(~0u, any)) all[group].end = 0;
    }
  }
  /// Whether all rows see all of the columns [begin, end).
  __device__ bool see_all(int32_t begin, int32_t end) const {
    bool is_so = true;
#pragma unroll
    for (int group = 0; group < kSm90Groups; ++group) {
      is_so = is_so && begin >= all[group].begin && end <= all[group].end;
    }
    return is_so;
  }
};

/// Notes a tile that all rows see all of.
template <class Notes>
__device__ inline void note_full_tile(Notes* notes) {
  if (threadIdx.x % 32 >= kSm90Groups) return;
  notes->seen[threadIdx.x % 32] = Seen::kAll;
}

/// Notes any other: `own` are the rows, the tile is at `place`; where lanes share it, `first` is
/// the first of its columns among those of all lanes of the item.
template <int kColumns, class Notes>
__device__ inline void note_tile(Notes* notes, const RowSpans& rows, const Place& own,
                                 const Place& place, int32_t first) {
  const int thread = static_cast<int>(threadIdx.x) % 32;
  const bool shares = own.slot < kSm90Rows;
#pragma unroll
  for (int group = 0; group < kSm90Groups; ++group) {
    bool any = false, all = true;
#pragma unroll
    for (int part = 2 * group; part < 2 * group + 2; ++part) {
      const int row = part * 32 + thread;
      int32_t begin = 0, end = kColumns;  // of a row that does not exist
      if (rows.span[part].begin >= 0) {
        const int32_t shift = shares ? (row & -own.slot) - first : 0;  // of the row's lane
        const int32_t room = shift < 0 || shift >= kColumns ? 0 : place.slot;
        begin = shift + min(max(rows.span[part].begin - place.first, 0), room);
        end = shift + min(max(rows.span[part].end - place.first, 0), room);
        if (begin >= end) begin = end = 0;
        any = any || begin < end;
        all = all && begin == 0 && end == kColumns;
      }
      notes->columns[row] = static_cast<uint32_t>(begin) | static_cast<uint32_t>(end) << 16;
    }
    const Seen seen = !__any_sync(~0u, any)  ? Seen::kNothing
                      : __all_sync(~0u, all) ? Seen::kAll
                                             : Seen::kSome;
    if (thread == 0) notes->seen[group] = seen;
  }
}

}  // namespace lacuna::cuda::attention
