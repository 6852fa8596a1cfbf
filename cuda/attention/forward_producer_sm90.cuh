// The copying side of the Hopper forward kernel. One warp of a block goes through the block's
// items, far ahead of the warpgroups that compute, keeps the ring of tiles full and leaves beside
// each what it has read of the plan, so that nobody else reads tables.
//
// An item has rows of one tensor, a tile columns of two: `narrow` ones of kQk elements and
// `wide` ones of kV.
#pragma once

#include "attention/items_sm90.cuh"

namespace lacuna::cuda::attention {

/// What the rows of an item see of one tile.
struct ForwardTileNotes {
  // Where something is seen, but not all: the first column of the tile, and 16 bits higher the one
  // past the last.
  uint32_t columns[kSm90Rows];
  Seen seen[kSm90Groups];
  bool last;  // of the item
};

struct ForwardItemNotes : ItemNotes {
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
template <int kColumns>
__device__ inline void note_tile(ForwardTileNotes* notes, const RowSpans& rows, int32_t first,
                                 bool last) {
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

/// The barriers of a block, by their addresses. "Full" waits for one thread's arrival and for
/// bytes, "free" for all warps that compute.
template <int kRowStages, int kStages>
struct ForwardBarriers {
  static constexpr int kOfRows = 2 * kRowStages, kAll = kOfRows + 4 * kStages;
  uint64_t memory[kAll];

  __device__ uint32_t rows_full(int stage) const { return shared_address(memory + stage); }
  __device__ uint32_t rows_free(int stage) const {
    return shared_address(memory + kRowStages + stage);
  }
  __device__ uint32_t narrow_full(int stage) const { return at(0, stage); }
  __device__ uint32_t narrow_free(int stage) const { return at(1, stage); }
  __device__ uint32_t wide_full(int stage) const { return at(2, stage); }
  __device__ uint32_t wide_free(int stage) const { return at(3, stage); }

  __device__ void make() {
    for (int i = 0; i < kAll; ++i) {
      const bool full = i < kOfRows ? i < kRowStages : (i - kOfRows) / kStages % 2 == 0;
      make_barrier(shared_address(memory + i), full ? 1 : 4 * kSm90Groups);
    }
    publish_barriers();
  }

 private:
  __device__ uint32_t at(int kind, int stage) const {
    return shared_address(memory + kOfRows + kind * kStages + stage);
  }
};

/// What the tiles are like, and where they lie in shared memory: the rows of an item, then
/// the ring.
template <int kQkWidth, int kVWidth, int kTileColumns, int kRingStages>
struct ForwardTiles {
  static constexpr int kQk = kQkWidth, kV = kVWidth, kColumns = kTileColumns;
  static constexpr int kRowStages = 2, kStages = kRingStages;  // of items, of tiles
  // Of a thread; all threads together have what a multiprocessor has.
  static constexpr int kComputeRegisters = 208;
  static constexpr int kCopyRegisters = 504 - kSm90Groups * kComputeRegisters;
  static constexpr int kRowBytes = kSm90Rows * kQk * 2;
  static constexpr int kNarrowBytes = kColumns * kQk * 2, kWideBytes = kColumns * kV * 2;
  static constexpr int kAlignment = 1024;  // of swizzled tiles
  static constexpr int kAllRowBytes = kRowStages * kRowBytes;
  static constexpr int kBytes = kAllRowBytes + kStages * (kNarrowBytes + kWideBytes) + kAlignment;

  struct Shared {
    ForwardBarriers<kRowStages, kStages> barriers;
    ForwardItemNotes items[kRowStages];
    ForwardTileNotes tiles[kStages];
  };
  static_assert(kBytes + sizeof(Shared) <= 227 * 1024, "more than a block may have");
  /// Addresses of tiles, when `memory` is that of the first.
  __device__ static uint32_t rows(uint32_t memory, int stage) {
    return memory + static_cast<uint32_t>(stage * kRowBytes);
  }
  __device__ static uint32_t narrow(uint32_t memory, int stage) {
    return memory + static_cast<uint32_t>(kAllRowBytes + stage * kNarrowBytes);
  }
  __device__ static uint32_t wide(uint32_t memory, int stage) {
    return narrow(memory, kStages) + static_cast<uint32_t>(stage * kWideBytes);
  }
};

/// What is read.
template <class T>
struct ForwardSources {
  const Rows<const T>&narrow_rows, &narrow_columns, &wide_columns;
  bool prefetches_wide_rows = false;  // which the computing warps read themselves
};

/// A tile that is to come: which rows of a sequence, and whether the copy engine can bring them.
struct Wanted {
  Place place;
  DeviceOrder order;
  int32_t length;
  HeadPlace head;
  bool regular;

  /// Starts to bring it, or brings it; called by a warp that has met. Counts towards the phase of
  /// `full`, of which thread 0 has told the bytes if `regular`.
  template <int kWidth, int kRows, class T>
  __device__ void bring(uint32_t to, uint32_t full, const CUtensorMap* map,
                        const Rows<const T>& from) const {
    if (!regular) {
      copy_tile_by_hand<kWidth, kRows>(to, from, order, length, place, head.head, head.batch);
    } else if (threadIdx.x % 32 == 0) {
      copy_tile<kWidth, kRows>(to, map, full, order, place, head.head, head.batch);
    }
  }
  /// Before bring(), with what the warp has noted, if the copy engine brings the bytes.
  __device__ void announce(uint32_t full, int bytes) const {
    __syncwarp();
    if (regular && threadIdx.x % 32 == 0) arrive_and_expect(full, bytes);
  }
  /// After it, if it was done by hand.
  __device__ void conclude(uint32_t full) const {
    __syncwarp();
    if (!regular && threadIdx.x % 32 == 0) arrive(full);
  }
};

/// Numbers of a struct, read ahead by a warp that has met: thread i keeps the i-th.
template <class Struct>
class ReadAhead {
 public:
  __device__ void read(const Struct* from) {
    const int thread = static_cast<int>(threadIdx.x) % 32;
    if (thread < kCount) number_ = reinterpret_cast<const int32_t*>(from)[thread];
  }
  __device__ Struct get() const {
    Struct all;
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      reinterpret_cast<int32_t*>(&all)[i] = __shfl_sync(~0u, number_, i);
    }
    return all;
  }

 private:
  static constexpr int kCount = sizeof(Struct) / sizeof(int32_t);
  int32_t number_ = 0;
};

/// An item and its first segment, if it has any, read while the one before is worked on.
struct Upcoming {
  ReadAhead<Item> item;
  ReadAhead<Segment> segment;

  __device__ void read(const Work& work, const ItemOrder& at) {
    if (at.valid(work)) item.read(&at.item(work));
  }
  __device__ void read_segment(const Work& work, const ItemOrder& at) {
    const Item next = item.get();
    if (!at.valid(work) || next.first_segment >= next.last_segment) return;
    segment.read(work.segments + next.first_segment);
  }
};

/// All that the copying warp does.
template <class Shape, class T>
class ForwardProducer {
 public:
  __device__ ForwardProducer(const Work& work, const ForwardSources<T>& from, const Sm90Maps& maps,
                             typename Shape::Shared* shared, uint32_t memory)
      : work_(work), from_(from), maps_(maps), shared_(shared), memory_(memory) {}

  __device__ void bring_items() {
    ItemOrder at;
    Upcoming next;
    next.read(work_, at);
    next.read_segment(work_, at);
    while (at.valid(work_)) {
      const Item item = next.item.get();
      const Segment first = next.segment.get();
      const HeadPlace head{item.head, at.batch(work_)};
      const int32_t slot = item.groups_per_lane * (kSm90Rows / kSm90Lanes);
      const Place own{item.first_lane, item.last_lane, item.first_row, slot};
      at.advance();
      next.read(work_, at);
      await(shared_->barriers.rows_free(items_.stage), items_.parity ^ 1);
      bring_rows(item, own, head);
      next.read_segment(work_, at);
      for (int32_t index = item.first_segment; index < item.last_segment; ++index) {
        const Segment segment = index == item.first_segment ? first : work_.segments[index];
        bring_segment(segment, item, own, head, index + 1 == item.last_segment);
      }
      items_.advance();
    }
  }

 private:
  __device__ void bring_rows(const Item& item, const Place& own, const HeadPlace& head) {
    const DeviceOrder order = maps_.walks[item.walk].rows;
    const uint32_t full = shared_->barriers.rows_full(items_.stage);
    ForwardItemNotes& notes = shared_->items[items_.stage];
    Wanted rows{.place = own, .order = order, .length = work_.length, .head = head};
    const Regular& regular = maps_.rows[item.walk];
    const int32_t end = regular_end(regular, order, work_.length, own.lane);
    rows.regular = is_regular(regular, end, own, INT32_MAX);
#pragma unroll
    for (int part = 0; part < kSm90Parts; ++part) {
      const int row = part * 32 + static_cast<int>(threadIdx.x) % 32;
      notes.positions[row] = own.position(order, work_.length, row);
    }
    if (threadIdx.x % 32 == 0) {
      notes.head = head;
      notes.empty = item.first_segment >= item.last_segment;
    }
    rows.announce(full, Shape::kRowBytes);
    rows.bring<Shape::kQk, kSm90Rows>(Shape::rows(memory_, items_.stage), full,
                                      &maps_.narrow_rows[item.walk], from_.narrow_rows);
    if (from_.prefetches_wide_rows && rows.regular && threadIdx.x % 32 == 0) {
      prefetch_tile<Shape::kV>(&maps_.wide_rows[item.walk], order, own, head.head, head.batch);
    }
    rows.conclude(full);
  }

  __device__ void bring_segment(const Segment& segment, const Item& item, const Place& own,
                                const HeadPlace& head, bool last) {
    constexpr int kColumns = Shape::kColumns;
    const Walk& walk = maps_.walks[segment.walk];
    const Regular regular = maps_.columns[segment.walk];
    const int32_t copied_end = regular_end(regular, walk.columns, work_.length, segment.lane);
    const RowSpans rows(work_.spans + walk.first_span, segment, own,
                        shared_->items[items_.stage].positions);
    const bool shares = own.slot < kSm90Rows;  // its tiles with other lanes
    const int32_t end = shares ? (item.last_lane - item.first_lane) * own.slot : segment.end;
    for (int32_t column = segment.begin; column < end; column += kColumns) {
      const Place place = shares ? Place{own.lane_of(column), item.last_lane, 0, own.slot}
                                 : Place{segment.lane, segment.lane + 1, column, kColumns};
      Wanted tile{.place = place, .order = walk.columns, .length = work_.length, .head = head};
      tile.regular = is_regular(regular, copied_end, place, segment.end);
      auto* notes = &shared_->tiles[ring_.stage];
      await(shared_->barriers.narrow_free(ring_.stage), ring_.parity ^ 1);
      note_tile<kColumns>(notes, rows, column, last && column + kColumns >= end);
      bring_tile(tile, segment.walk);
      ring_.advance();
    }
  }

  __device__ void bring_tile(const Wanted& tile, int32_t walk) {
    constexpr int kColumns = Shape::kColumns;
    const int stage = ring_.stage;
    const uint32_t narrow_full = shared_->barriers.narrow_full(stage);
    tile.announce(narrow_full, Shape::kNarrowBytes);
    tile.bring<Shape::kQk, kColumns>(Shape::narrow(memory_, stage), narrow_full,
                                     &maps_.narrow_columns[walk], from_.narrow_columns);
    tile.conclude(narrow_full);
    const uint32_t wide_full = shared_->barriers.wide_full(stage);
    await(shared_->barriers.wide_free(stage), ring_.parity ^ 1);
    tile.announce(wide_full, Shape::kWideBytes);
    tile.bring<Shape::kV, kColumns>(Shape::wide(memory_, stage), wide_full,
                                    &maps_.wide_columns[walk], from_.wide_columns);
    tile.conclude(wide_full);
  }

  const Work& work_;
  const ForwardSources<T>& from_;
  const Sm90Maps& maps_;
  typename Shape::Shared* shared_;
  uint32_t memory_;
  Ring<Shape::kRowStages> items_;
  Ring<Shape::kStages> ring_;
};

}  // namespace lacuna::cuda::attention
