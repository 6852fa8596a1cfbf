// The copying side of the Hopper backward kernel, as forward_producer_sm90.cuh is that of the
// forward one.
//
// All is brought in tiles of 64 rows: of q and dy (a tile of queries), or of k and v (of keys). An
// item's rows are two tiles for each of its sides; the tiles that it walks come to a ring, unless
// they are the item's own rows, which are there already.
#pragma once

#include "attention/items_sm90.cuh"

namespace lacuna::cuda::attention {

/// The two sides of an item.
inline constexpr int kQuerySide = 0, kKeySide = 1;

struct PairItemNotes : ItemNotes {
  bool has[2], walks[2];  // by side: whether it has it; whether any tile follows
  bool joint;             // as PairItem's
  int32_t slot;           // rows, and columns of tiles that lanes share, of one lane
  alignas(8) float lse[kSm90Rows];
  alignas(8) float delta[kSm90Rows];
};

/// What each row sees of a segment, as the plan has it: neither cut at the segment's end nor
/// counted over lanes; nothing for a row that does not exist.
struct SegmentNotes {
  Span rows[kSm90Rows];
};

struct PairTileNotes {
  int32_t segment;            // place of its notes
  int32_t first, end;         // the tile's first column; the segment's end
  int32_t own;                // which of the item's own two tiles it is; -1: it is in the ring
  Seen seen[kSm90Groups][2];  // of each part of the columns
  bool last;                  // of this side of the item
  alignas(8) float lse[kSm90BackwardColumns];    // of its queries, if they are columns and the
  alignas(8) float delta[kSm90BackwardColumns];  // tile is in the ring
};

/// The barriers of a block, by their addresses. "Full" waits for all threads of the copying warp
/// and for bytes, "free" for all warps that compute.
template <int kRowStages, int kStages>
struct BackwardBarriers {
  uint64_t of_rows_full[kRowStages], of_rows_free[kRowStages], of_full[kStages], of_free[kStages];

  __device__ uint32_t rows_full(int stage) const { return shared_address(of_rows_full + stage); }
  __device__ uint32_t rows_free(int stage) const { return shared_address(of_rows_free + stage); }
  __device__ uint32_t full(int stage) const { return shared_address(of_full + stage); }
  __device__ uint32_t free(int stage) const { return shared_address(of_free + stage); }

  __device__ void make() {
    constexpr int kCopying = 1 + 32, kComputing = 4 * kSm90Groups;
    for (int i = 0; i < kRowStages; ++i) make_barrier(rows_full(i), kCopying);
    for (int i = 0; i < kRowStages; ++i) make_barrier(rows_free(i), kComputing);
    for (int i = 0; i < kStages; ++i) make_barrier(full(i), kCopying);
    for (int i = 0; i < kStages; ++i) make_barrier(free(i), kComputing);
    publish_barriers();
  }
};

/// The halves of a joint item's rows that see each other.
inline constexpr int kOwnSlopes = 3;
__device__ inline int own_slopes(int key_half, int query_half) {
  return key_half + query_half;
}

/// Where tiles lie in shared memory: an item's rows, the ring, and what a joint item's rows see of
/// each other.
template <int kQkWidth, int kVWidth>
struct BackwardShape {
  static constexpr int kQk = kQkWidth, kV = kVWidth, kColumns = kSm90BackwardColumns;
  static constexpr int kRowStages = kV == 128 ? 1 : 2;
  static constexpr int kStages = kQk == 128 || kV == 32 ? 2 : 3;
  // Each has a tile at least: when the ring has as many tiles of later ones, all of it was used.
  static constexpr int kSegments = kStages + 1;
  // Columns of a product: with half a tile at a time a thread of narrow heads does with so few
  // registers that a multiprocessor has two blocks, which hide each other's latencies.
  static constexpr int kPartColumns = kV == 32 ? 32 : kColumns;
  static constexpr int kBlocks = kV == 32 ? 2 : 1;
  static constexpr bool kMovesRegisters = kBlocks == 1;
  static constexpr int kThreads = kMovesRegisters ? kSm90Threads : 128 * kSm90Groups + 32;
  // Of a thread; all threads together have what a multiprocessor has.
  static constexpr int kComputeRegisters = kQk == 128 ? 224 : 208;
  static constexpr int kCopyRegisters = 504 - kSm90Groups * kComputeRegisters;
  static constexpr int kNarrowBytes = kColumns * kQk * 2;
  static constexpr int kTileBytes = kNarrowBytes + kColumns * kV * 2;
  static constexpr int kAlignment = 1024;  // of swizzled tiles
  static constexpr int kItemTiles = 2 * kSm90Rows / kColumns;
  static constexpr int kSlopeBytes = kColumns * kColumns * 2;
  static constexpr int kBytes =
      (kRowStages * kItemTiles + kStages) * kTileBytes + kOwnSlopes * kSlopeBytes + kAlignment;

  struct Shared {
    BackwardBarriers<kRowStages, kStages> barriers;
    PairItemNotes items[kRowStages];
    SegmentNotes segments[kSegments];
    PairTileNotes tiles[kStages];
    bool has_slopes[kOwnSlopes];
  };
  static_assert(kBytes + sizeof(Shared) <= 227 * 1024, "more than a block may have");
  static_assert(kBlocks * (kBytes + sizeof(Shared) + 1024) <= 228 * 1024,
                "more than a multiprocessor has");

  /// Addresses, when `memory` is that of the first tile. The narrow tensor comes first in a tile.
  __device__ static uint32_t own_tile(uint32_t memory, int stage, int side, int tile) {
    return memory +
           static_cast<uint32_t>(((stage * 2 + side) * (kSm90Rows / kColumns) + tile) * kTileBytes);
  }
  __device__ static uint32_t ring_tile(uint32_t memory, int stage) {
    return memory + static_cast<uint32_t>((kRowStages * kItemTiles + stage) * kTileBytes);
  }
  /// ds^T of a half of the keys and a half of the queries of an item: own_slopes(key, query).
  __device__ static uint32_t slopes(uint32_t memory, int place) {
    return ring_tile(memory, kStages) + static_cast<uint32_t>(place * kSlopeBytes);
  }
};

/// The tensors, and the numbers of each query.
template <class T>
struct PairSources {
  const Rows<const T>&q, &k, &v, &dy;
  const float *lse, *delta;
};

/// All that the copying warp does.
template <class Shape, class T>
class BackwardProducer {
 public:
  __device__ BackwardProducer(const Work& work, const PairWork& pairs, const PairSources<T>& from,
                              const Sm90Maps& maps, typename Shape::Shared* shared, uint32_t memory)
      : work_(work), pairs_(pairs), from_(from), maps_(maps), shared_(shared), memory_(memory) {}

  __device__ void bring_items() {
    ItemOrder at;
    PairItem next{};
    PairSegment ahead{};  // the next segment
    read(&next, at);
    read_first(&ahead, next);
    while (at.valid(work_)) {
      const PairItem item = next;
      const HeadPlace head{item.head, batch_of(at)};
      at.advance();
      read(&next, at);
      await(shared_->barriers.rows_free(items_.stage), items_.parity ^ 1);
      bring_rows(item, head);
      for (int32_t i = item.first_segment; i < item.last_segment; ++i) {
        const PairSegment segment = ahead;
        if (i + 1 < item.last_segment) ahead = pairs_.segments[i + 1];
        if (i + 1 == item.last_segment) read_first(&ahead, next);
        const bool last = i + 1 == item.query_segment || i + 1 == item.last_segment;
        bring_segment(segment, item, i < item.query_segment ? kKeySide : kQuerySide, head, last);
      }
      if (item.first_segment == item.last_segment) read_first(&ahead, next);
      items_.advance();
    }
  }

 private:
  static constexpr int kColumns = Shape::kColumns;

  __device__ int32_t batch_of(const ItemOrder& at) const {
    return static_cast<int32_t>(at.next % static_cast<unsigned>(work_.batch));
  }
  __device__ void read(PairItem* item, const ItemOrder& at) const {
    item->first_segment = item->last_segment = 0;
    if (at.valid(work_)) *item = pairs_.items[at.next / static_cast<unsigned>(work_.batch)];
  }
  __device__ void read_first(PairSegment* segment, const PairItem& item) const {
    if (item.first_segment < item.last_segment) *segment = pairs_.segments[item.first_segment];
  }

  __device__ static Place rows_of(const PairItem& item) {
    return {item.first_lane, item.last_lane, item.first_row,
            item.groups_per_lane * (kSm90Rows / kSm90Lanes)};
  }
  /// Columns from `column` on, of one lane or of all lanes of an item that share tiles.
  __device__ static Place tile_at(const Place& own, int32_t lane, int32_t column) {
    if (own.slot < kSm90Rows) return {own.lane + column / own.slot, own.last_lane, 0, own.slot};
    return {lane, lane + 1, column, kColumns};
  }
  /// One of the tiles of an item's rows.
  __device__ static Place own_place(const Place& own, int tile) {
    return tile_at(own, own.lane, own.first + tile * kColumns);
  }

  __device__ void bring_rows(const PairItem& item, const HeadPlace& head) {
    const Place own = rows_of(item);
    const int32_t walk = item.query_walk >= 0 ? item.query_walk : item.key_walk;
    const DeviceOrder order = maps_.walks[walk].rows;
    const uint32_t full = shared_->barriers.rows_full(items_.stage);
    PairItemNotes& notes = shared_->items[items_.stage];
#pragma unroll
    for (int part = 0; part < kSm90Parts; ++part) {
      const int row = part * 32 + static_cast<int>(threadIdx.x) % 32;
      const int32_t at = own.position(order, work_.length, row);
      notes.positions[row] = at;
      if (item.query_walk >= 0) bring_statistics(&notes, row, at, head);
    }
    if (threadIdx.x % 32 == 0) {
      notes.head = head;
      notes.slot = own.slot;
      notes.joint = item.joint != 0;
      notes.has[kQuerySide] = item.query_walk >= 0;
      notes.has[kKeySide] = item.key_walk >= 0;
      notes.walks[kKeySide] = item.first_segment < item.query_segment;
      notes.walks[kQuerySide] = item.query_segment < item.last_segment;
    }
    const int sides = (item.query_walk >= 0 ? 1 : 0) + (item.key_walk >= 0 ? 1 : 0);
    constexpr int kTiles = kSm90Rows / kColumns;
    const Regular copied = maps_.rows[walk];
    const int32_t copied_end = regular_end(copied, order, work_.length, own.lane);
    unsigned regular = 0;  // by tile
#pragma unroll
    for (int tile = 0; tile < kTiles; ++tile) {
      const Place place = own_place(own, tile);
      if (is_regular(copied, copied_end, place, INT32_MAX)) regular |= 1u << tile;
    }
#pragma unroll 1
    for (int i = 0; i < 2 * kTiles; ++i) {
      const int side = i / kTiles, tile = i % kTiles;
      if ((regular >> tile & 1) == 0 && side_walk(item, side) >= 0) {
        bring_by_hand(own_tile(side, tile), side, order, own_place(own, tile), head);
      }
    }
    announce(full, __popc(regular) * sides * Shape::kTileBytes);
#pragma unroll 1
    for (int i = 0; i < 2 * kTiles; ++i) {
      const int side = i / kTiles, tile = i % kTiles;
      const int32_t of_side = side_walk(item, side);
      if ((regular >> tile & 1) != 0 && of_side >= 0) {
        copy(own_tile(side, tile), full, &maps_.narrow_rows[of_side], &maps_.wide_rows[of_side],
             order, own_place(own, tile), head);
      }
    }
  }

  __device__ void bring_segment(const PairSegment& segment, const PairItem& item, int side,
                                const HeadPlace& head, bool last) {
    const Place own = rows_of(item);
    const Walk& walk = maps_.walks[segment.walk];
    const bool shares = own.slot < kSm90Rows;  // its tiles with other lanes
    const int32_t end = shares ? (item.last_lane - item.first_lane) * own.slot : segment.end;
    const Regular regular = maps_.columns[segment.walk];
    const int32_t copied_end = regular_end(regular, walk.columns, work_.length, segment.lane);
    bool begins = true;
    for (int32_t column = segment.begin; column < end; column += kColumns) {
      await(shared_->barriers.free(ring_.stage), ring_.parity ^ 1);
      if (begins) bring_spans(walk, own);
      begins = false;
      const Place place = tile_at(own, segment.lane, column);
      const int32_t ahead = shares ? column : column - item.first_row;
      const bool is_own = segment.own != 0 && ahead >= 0 && ahead < kSm90Rows;
      PairTileNotes& notes = shared_->tiles[ring_.stage];
      note_seen(&notes, segment, column);
      if (threadIdx.x % 32 == 0) {
        notes.segment = segment_;
        notes.first = column;
        notes.end = segment.end;
        notes.own = is_own ? ahead / kColumns : -1;
        notes.last = last && column + kColumns >= end;
      }
      if (side == kKeySide && !is_own) {
#pragma unroll
        for (int part = 0; part < kColumns / 32; ++part) {
          const int i = part * 32 + static_cast<int>(threadIdx.x) % 32;
          bring_statistics(&notes, i, place.position(walk.columns, work_.length, i), head);
        }
      }
      bring_tile(1 - side, segment.walk, walk.columns, place, head, is_own,
                 is_own || is_regular(regular, copied_end, place, segment.end));
      ring_.advance();
    }
    segment_ = segment_ + 1 < Shape::kSegments ? segment_ + 1 : 0;
  }

  /// A thread for each part of the columns and half of the rows.
  __device__ void note_seen(PairTileNotes* notes, const PairSegment& segment, int32_t column) {
    constexpr int kPart = Shape::kPartColumns, kParts = kColumns / kPart;
    const int thread = static_cast<int>(threadIdx.x) % 32, part = thread % kParts;
    if (thread >= kSm90Groups * kParts) return;
    const bool second = thread / kParts == 1;
    const Span any = second ? segment.any[1] : segment.any[0];
    const Span all = second ? segment.all[1] : segment.all[0];
    const int32_t begin = column + part * kPart, end = begin + kPart;
    notes->seen[second ? 1 : 0][part] = begin >= any.end || end <= any.begin   ? Seen::kNothing
                                        : begin >= all.begin && end <= all.end ? Seen::kAll
                                                                               : Seen::kSome;
  }

  /// What the rows of the item see, while the warp goes on.
  __device__ void bring_spans(const Walk& walk, const Place& own) {
    SegmentNotes& notes = shared_->segments[segment_];
    const Span* table = work_.spans + walk.first_span;
#pragma unroll
    for (int part = 0; part < kSm90Parts; ++part) {
      const int row = part * 32 + static_cast<int>(threadIdx.x) % 32;
      const bool exists = shared_->items[items_.stage].positions[row] >= 0;
      copy_async_8(shared_address(&notes.rows[row]), table + (exists ? own.index_of(row) : 0),
                   exists);
    }
  }

  /// A tile of the ring, whose rows have that side.
  __device__ void bring_tile(int side, int32_t walk, const DeviceOrder& order, const Place& place,
                             const HeadPlace& head, bool is_own, bool regular) {
    const uint32_t full = shared_->barriers.full(ring_.stage);
    const uint32_t to = Shape::ring_tile(memory_, ring_.stage);
    if (!regular) bring_by_hand(to, side, order, place, head);
    announce(full, regular && !is_own ? Shape::kTileBytes : 0);
    if (regular && !is_own) {
      copy(to, full, &maps_.narrow_columns[walk], &maps_.wide_columns[walk], order, place, head);
    }
  }

  /// lse and delta of a query to place `i` of the notes, while the warp goes on.
  template <class Notes>
  __device__ void bring_statistics(Notes* notes, int i, int32_t position, const HeadPlace& head) {
    const int64_t at = (static_cast<int64_t>(head.batch) * work_.heads + head.head) * work_.length +
                       max(position, 0);
    copy_async_4(shared_address(&notes->lse[i]), from_.lse + at, position >= 0);
    copy_async_4(shared_address(&notes->delta[i]), from_.delta + at, position >= 0);
  }

  /// After all that the warp has written; the copies of its threads, and `bytes` by the copy
  /// engine, which are to be started next, complete the phase of `full`.
  __device__ void announce(uint32_t full, int bytes) const {
    __syncwarp();
    if (threadIdx.x % 32 == 0) arrive_and_expect(full, bytes);
    arrive_after_copies(full);
  }

  __device__ void copy(uint32_t to, uint32_t full, const CUtensorMap* narrow,
                       const CUtensorMap* wide, const DeviceOrder& order, const Place& place,
                       const HeadPlace& head) const {
    if (threadIdx.x % 32 != 0) return;
    copy_tile<Shape::kQk, kColumns>(to, narrow, full, order, place, head.head, head.batch);
    copy_tile<Shape::kV, kColumns>(to + Shape::kNarrowBytes, wide, full, order, place, head.head,
                                   head.batch);
  }

  __device__ void bring_by_hand(uint32_t to, int side, const DeviceOrder& order, const Place& place,
                                const HeadPlace& head) const {
    const Rows<const T>& narrow = side == kQuerySide ? from_.q : from_.k;
    const Rows<const T>& wide = side == kQuerySide ? from_.dy : from_.v;
    copy_tile_by_hand<Shape::kQk, kColumns>(to, narrow, order, work_.length, place, head.head,
                                            head.batch);
    copy_tile_by_hand<Shape::kV, kColumns>(to + Shape::kNarrowBytes, wide, order, work_.length,
                                           place, head.head, head.batch);
  }

  __device__ static int32_t side_walk(const PairItem& item, int side) {
    return side == kQuerySide ? item.query_walk : item.key_walk;
  }
  __device__ uint32_t own_tile(int side, int tile) const {
    return Shape::own_tile(memory_, items_.stage, side, tile);
  }

  const Work& work_;
  const PairWork& pairs_;
  const PairSources<T>& from_;
  const Sm90Maps& maps_;
  typename Shape::Shared* shared_;
  uint32_t memory_;
  Ring<Shape::kRowStages> items_;
  Ring<Shape::kStages> ring_;
  int segment_ = 0;
};

}  // namespace lacuna::cuda::attention
