// The copying side of the Hopper kernels. One warp of a block goes through the block's items, far
// ahead of the warpgroups that compute, keeps the ring of tiles full and leaves beside each what it
// has read of the plan, so that nobody else reads tables.
//
// An item has rows of one or two tensors, a tile columns of two: `narrow` ones of kQk elements and
// `wide` ones of kV.
#pragma once

#include "attention/copies_sm90.cuh"

namespace lacuna::cuda::attention {

inline constexpr int kSm90Groups = kSm90Rows / 64;
inline constexpr int kSm90Threads = 128 * (1 + kSm90Groups);
inline constexpr int kSm90CopyRegisters = 56, kSm90ComputeRegisters = 224;  // of a thread

/// What a warpgroup sees of a tile.
enum class Seen : int32_t { kNothing, kSome, kAll };

/// What the rows of an item see of one tile, and with kStatistics lse * log2(e) and delta of its
/// columns (infinity and 0 where there is none).
template <int kColumns, bool kStatistics>
struct TileNotes {
  uint32_t columns[kSm90Rows];  // of the tile: the first, and 16 bits higher the one past the last
  Seen seen[kSm90Groups];
  bool last;  // of the item
  alignas(8) float shift[kStatistics ? kColumns : 2];
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

/// Which tile of a ring is next, and the parity of the barriers' phase.
template <int kStages>
struct Ring {
  int stage = 0;
  uint32_t parity = 0;

  __device__ void advance() {
    if (++stage < kStages) return;
    stage = 0;
    parity ^= 1;
  }
};

/// The barriers of a block, by their addresses. "Full" waits for one thread's arrival and for
/// bytes, "free" for all warps that compute.
template <int kStages>
struct Barriers {
  uint64_t memory[2 + 4 * kStages];

  __device__ uint32_t rows_full() const { return shared_address(memory); }
  __device__ uint32_t rows_free() const { return shared_address(memory + 1); }
  __device__ uint32_t narrow_full(int stage) const { return at(0, stage); }
  __device__ uint32_t narrow_free(int stage) const { return at(1, stage); }
  __device__ uint32_t wide_full(int stage) const { return at(2, stage); }
  __device__ uint32_t wide_free(int stage) const { return at(3, stage); }

  __device__ void make() {
    for (int i = 0; i < 2 + 4 * kStages; ++i) {
      const bool full = i < 2 ? i == 0 : (i - 2) / kStages % 2 == 0;
      make_barrier(shared_address(memory + i), full ? 1 : 4 * kSm90Groups);
    }
    publish_barriers();
  }

 private:
  __device__ uint32_t at(int kind, int stage) const {
    return shared_address(memory + 2 + kind * kStages + stage);
  }
};

/// Says for a warp that it has read what a barrier guards.
__device__ inline void release(uint32_t barrier) {
  __syncwarp();
  if (threadIdx.x % 32 == 0) arrive(barrier);
}

/// The items of a block: every gridDim.x-th, in the order of the plan, which has the longest first.
struct ItemOrder {
  unsigned next = blockIdx.x;

  __device__ bool valid(const Work& work) const {
    return next < static_cast<unsigned>(work.count) * static_cast<unsigned>(work.batch);
  }
  __device__ void advance() { next += gridDim.x; }
  __device__ const Item& item(const Work& work) const {
    return work.items[next / static_cast<unsigned>(work.batch)];
  }
  __device__ int32_t batch(const Work& work) const {
    return static_cast<int32_t>(next % static_cast<unsigned>(work.batch));
  }
};

/// What a kernel's tiles are like, and where they lie in shared memory: the rows of an item, then
/// the ring.
template <int kQkWidth, int kVWidth, int kTileColumns, int kRowTensors, bool kWithStatistics,
          int kRingStages>
struct Sm90Shape {
  static constexpr int kQk = kQkWidth, kV = kVWidth, kColumns = kTileColumns;
  static constexpr bool kWideRows = kRowTensors == 2, kStatistics = kWithStatistics;
  static constexpr int kStages = kRingStages;
  static constexpr int kNarrowRowBytes = kSm90Rows * kQk * 2;
  static constexpr int kRowBytes = kNarrowRowBytes + (kWideRows ? kSm90Rows * kV * 2 : 0);
  static constexpr int kNarrowBytes = kColumns * kQk * 2, kWideBytes = kColumns * kV * 2;
  static constexpr int kAlignment = 1024;  // of swizzled tiles
  static constexpr int kBytes = kRowBytes + kStages * (kNarrowBytes + kWideBytes) + kAlignment;

  struct Shared {
    Barriers<kStages> barriers;
    ItemNotes item;
    TileNotes<kColumns, kStatistics> tiles[kStages];
  };
  /// Addresses of tiles, when `memory` is that of the first.
  __device__ static uint32_t wide_rows(uint32_t memory) { return memory + kNarrowRowBytes; }
  __device__ static uint32_t narrow(uint32_t memory, int stage) {
    return memory + static_cast<uint32_t>(kRowBytes + stage * kNarrowBytes);
  }
  __device__ static uint32_t wide(uint32_t memory, int stage) {
    return narrow(memory, kStages) + static_cast<uint32_t>(stage * kWideBytes);
  }
};

/// What the rows of an item see of a tile, a warp's share: rows thread, thread + 32 and so on.
template <int kColumns>
struct TileView {
  uint32_t columns[kSm90Rows / 32];
  Seen seen[kSm90Groups];

  /// `own` are the rows, the tile is at `place`; where lanes share it, `first` is the first of its
  /// columns among those of all lanes of the item.
  __device__ TileView(const Work& work, const Segment& segment, const Place& own,
                      const Place& place, int32_t first, const int32_t* positions) {
    const int thread = static_cast<int>(threadIdx.x) % 32;
    const bool shares = own.slot < kSm90Rows;
    const Span* table = work.spans + work.walks[segment.walk].first_span;
#pragma unroll
    for (int group = 0; group < kSm90Groups; ++group) {
      bool any = false, all = true;
#pragma unroll
      for (int part = 2 * group; part < 2 * group + 2; ++part) {
        const int row = part * 32 + thread;
        int32_t begin = 0, end = kColumns;  // of a row that does not exist
        if (positions[row] >= 0) {
          const Span span = table[own.index_of(row)];
          const int32_t shift = shares ? (row & -own.slot) - first : 0;  // of the row's lane
          const int32_t room = shift < 0 || shift >= kColumns ? 0 : place.slot;
          begin = shift + min(max(span.begin - place.first, 0), room);
          end = shift + min(max(min(span.end, segment.end) - place.first, 0), room);
          if (begin >= end) begin = end = 0;
          any = any || begin < end;
          all = all && begin == 0 && end == kColumns;
        }
        columns[part] = static_cast<uint32_t>(begin) | static_cast<uint32_t>(end) << 16;
      }
      seen[group] = !__any_sync(~0u, any)  ? Seen::kNothing
                    : __all_sync(~0u, all) ? Seen::kAll
                                           : Seen::kSome;
    }
  }
  template <class Notes>
  __device__ void write(Notes* notes, bool last) const {
    const int thread = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
    for (int part = 0; part < kSm90Rows / 32; ++part) {
      notes->columns[part * 32 + thread] = columns[part];
    }
    if (thread != 0) return;
    for (int group = 0; group < kSm90Groups; ++group) notes->seen[group] = seen[group];
    notes->last = last;
  }
};

/// lse and delta of a tile's columns, a warp's share.
template <int kColumns>
struct ColumnStatistics {
  float shift[kColumns / 32], delta[kColumns / 32];

  __device__ ColumnStatistics(const Work& work, const float* lse, const float* deltas,
                              const DeviceOrder& order, const Place& place, const HeadPlace& head) {
    const int64_t first = (static_cast<int64_t>(head.batch) * work.heads + head.head) * work.length;
#pragma unroll
    for (int part = 0; part < kColumns / 32; ++part) {
      const int column = part * 32 + static_cast<int>(threadIdx.x) % 32;
      const int32_t at = place.position(order, work.length, column);
      shift[part] = at < 0 ? INFINITY : lse[first + at] * kLog2E;
      delta[part] = at < 0 ? 0 : deltas[first + at];
    }
  }
  template <class Notes>
  __device__ void write(Notes* notes) const {
#pragma unroll
    for (int part = 0; part < kColumns / 32; ++part) {
      const int column = part * 32 + static_cast<int>(threadIdx.x) % 32;
      notes->shift[column] = shift[part];
      notes->delta[column] = delta[part];
    }
  }
};

/// What is read: the tensors, and with Shape::kStatistics those of the columns.
template <class T>
struct Sm90Sources {
  const Rows<const T>&narrow_rows, &wide_rows, &narrow_columns, &wide_columns;
  const float *lse = nullptr, *delta = nullptr;
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

/// All that the copying warp does.
template <class Shape, class T>
__device__ inline void bring_items(const Work& work, const Sm90Sources<T>& from,
                                   const Sm90Maps& maps, typename Shape::Shared* shared,
                                   uint32_t memory) {
  constexpr int kQk = Shape::kQk, kV = Shape::kV, kColumns = Shape::kColumns;
  const int thread = static_cast<int>(threadIdx.x) % 32;
  const auto& barriers = shared->barriers;
  Ring<Shape::kStages> ring;
  Ring<1> items;
  for (ItemOrder at; at.valid(work); at.advance(), items.advance()) {
    const Item item = at.item(work);
    const HeadPlace head{item.head, at.batch(work)};
    const int32_t slot = item.groups_per_lane * (kSm90Rows / kSm90Lanes);
    Wanted rows{.place = {item.first_lane, item.last_lane, item.first_row, slot},
                .order = work.walks[item.walk].rows,
                .length = work.length,
                .head = head};
    rows.regular = is_regular(maps.rows[item.walk], rows.place, rows.order, work.length, INT32_MAX);
    await(barriers.rows_free(), items.parity ^ 1);
    for (int row = thread; row < kSm90Rows; row += 32) {
      shared->item.positions[row] = rows.place.position(rows.order, work.length, row);
    }
    if (thread == 0) {
      shared->item.head = head;
      shared->item.empty = item.first_segment >= item.last_segment;
    }
    rows.announce(barriers.rows_full(), Shape::kRowBytes);
    rows.bring<kQk, kSm90Rows>(memory, barriers.rows_full(), &maps.narrow_rows[item.walk],
                               from.narrow_rows);
    if constexpr (Shape::kWideRows) {
      rows.bring<kV, kSm90Rows>(Shape::wide_rows(memory), barriers.rows_full(),
                                &maps.wide_rows[item.walk], from.wide_rows);
    }
    rows.conclude(barriers.rows_full());

    for (int32_t index = item.first_segment; index < item.last_segment; ++index) {
      const Segment segment = work.segments[index];
      const bool shares = slot < kSm90Rows;  // its tiles with other lanes
      const int32_t end = shares ? (item.last_lane - item.first_lane) * slot : segment.end;
      for (int32_t column = segment.begin; column < end; column += kColumns) {
        const Place place = shares ? Place{item.first_lane + column / slot, item.last_lane, 0, slot}
                                   : Place{segment.lane, segment.lane + 1, column, kColumns};
        Wanted tile{.place = place,
                    .order = work.walks[segment.walk].columns,
                    .length = work.length,
                    .head = head};
        tile.regular =
            is_regular(maps.columns[segment.walk], place, tile.order, work.length, segment.end);
        const TileView<kColumns> view(work, segment, rows.place, place, column,
                                      shared->item.positions);
        auto* notes = &shared->tiles[ring.stage];
        const uint32_t narrow_full = barriers.narrow_full(ring.stage);
        const uint32_t wide_full = barriers.wide_full(ring.stage);
        const bool last = index + 1 == item.last_segment && column + kColumns >= end;
        if constexpr (Shape::kStatistics) {
          const ColumnStatistics<kColumns> statistics(work, from.lse, from.delta, tile.order, place,
                                                      head);
          await(barriers.narrow_free(ring.stage), ring.parity ^ 1);
          statistics.write(notes);
        } else {
          await(barriers.narrow_free(ring.stage), ring.parity ^ 1);
        }
        view.write(notes, last);
        tile.announce(narrow_full, Shape::kNarrowBytes);
        tile.bring<kQk, kColumns>(Shape::narrow(memory, ring.stage), narrow_full,
                                  &maps.narrow_columns[segment.walk], from.narrow_columns);
        tile.conclude(narrow_full);
        await(barriers.wide_free(ring.stage), ring.parity ^ 1);
        tile.announce(wide_full, Shape::kWideBytes);
        tile.bring<kV, kColumns>(Shape::wide(memory, ring.stage), wide_full,
                                 &maps.wide_columns[segment.walk], from.wide_columns);
        tile.conclude(wide_full);
        ring.advance();
      }
    }
  }
}

}  // namespace lacuna::cuda::attention
