// The copying side of the Hopper kernels. One warp of a block goes through the block's items, far
// ahead of the warpgroups that compute, keeps the rings of tiles full and leaves beside each what
// it has read of the plan, so that nobody else reads tables.
#pragma once

#include "attention/copies_sm90.cuh"

namespace lacuna::cuda::attention {

inline constexpr int kSm90Groups = kSm90Rows / 64;
inline constexpr int kSm90Threads = 128 * (1 + kSm90Groups);

/// What a warpgroup sees of a tile.
enum class Seen : int32_t { kNothing, kSome, kAll };

/// What the rows of an item see of one tile.
struct TileNotes {
  uint32_t columns[kSm90Rows];  // of the tile: the first, and 16 bits higher the one past the last
  Seen seen[kSm90Groups];
  bool last;  // of the item
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
  __device__ uint32_t keys_full(int stage) const { return at(0, stage); }
  __device__ uint32_t keys_free(int stage) const { return at(1, stage); }
  __device__ uint32_t values_full(int stage) const { return at(2, stage); }
  __device__ uint32_t values_free(int stage) const { return at(3, stage); }

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

/// What the rows of an item see of a tile, a warp's share: rows thread, thread + 32 and so on.
struct TileView {
  uint32_t columns[kSm90Rows / 32];
  Seen seen[kSm90Groups];

  /// A tile has the columns of one lane, or of each lane of the item those from slot times its
  /// number on.
  __device__ TileView(const Work& work, const Segment& segment, const Place& own,
                      const Place& place, const int32_t* positions) {
    const int thread = static_cast<int>(threadIdx.x) % 32;
    const Span* table = work.spans + work.walks[segment.walk].first_span;
#pragma unroll
    for (int group = 0; group < kSm90Groups; ++group) {
      bool any = false, all = true;
#pragma unroll
      for (int part = 2 * group; part < 2 * group + 2; ++part) {
        const int row = part * 32 + thread;
        int32_t begin = 0, end = kSm90Columns;  // of a row that does not exist
        if (positions[row] >= 0) {
          const Span span = table[own.index_of(row)];
          const int32_t shift = place.slot < kSm90Columns ? row & -place.slot : 0;
          begin = shift + min(max(span.begin - place.first, 0), place.slot);
          end = shift + min(max(min(span.end, segment.end) - place.first, 0), place.slot);
          any = any || begin < end;
          all = all && begin == 0 && end == kSm90Columns;
        }
        columns[part] = static_cast<uint32_t>(begin) | static_cast<uint32_t>(end) << 16;
      }
      seen[group] = !__any_sync(~0u, any)  ? Seen::kNothing
                    : __all_sync(~0u, all) ? Seen::kAll
                                           : Seen::kSome;
    }
  }
  __device__ void write(TileNotes* notes, bool last) const {
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

/// Brings a tile into its place once it is free; called by a warp.
template <int kWidth, class T>
__device__ inline void bring_tile(uint32_t to, uint32_t full, const CUtensorMap* map,
                                  const Rows<const T>& from, const DeviceOrder& order,
                                  int32_t length, const Place& place, const HeadPlace& head,
                                  bool regular) {
  if (!regular) copy_tile_by_hand<kWidth, kSm90Columns>(to, from, order, length, place, head);
  __syncwarp();  // with it what the warp has noted
  if (threadIdx.x % 32 != 0) return;
  if (!regular) return arrive(full);
  arrive_and_expect(full, kSm90Columns * kWidth * 2);
  copy_tile<kWidth, kSm90Columns>(to, map, full, order, place, head);
}

/// Where things lie in shared memory: first the rows of an item, then the rings.
template <int kQk, int kV>
struct Sm90Shape {
  static constexpr int kStages = kV == 32 ? 6 : kQk == 128 ? 2 : 4;
  static constexpr int kRowBytes = kSm90Rows * kQk * 2;
  static constexpr int kKeyBytes = kSm90Columns * kQk * 2, kValueBytes = kSm90Columns * kV * 2;
  static constexpr int kAlignment = 1024;  // of swizzled tiles
  static constexpr int kBytes = kRowBytes + kStages * (kKeyBytes + kValueBytes) + kAlignment;
};

template <int kStages>
struct Sm90Shared {
  Barriers<kStages> barriers;
  ItemNotes item;
  TileNotes tiles[kStages];
};

/// All that the copying warp does.
template <class T, int kQk, int kV>
__device__ inline void bring_items(const ForwardArguments<T>& a, const Sm90Maps& maps,
                                   Sm90Shared<Sm90Shape<kQk, kV>::kStages>* shared,
                                   uint32_t memory) {
  using Shape = Sm90Shape<kQk, kV>;
  const int thread = static_cast<int>(threadIdx.x) % 32;
  const int32_t length = a.work.length;
  Barriers<Shape::kStages>& barriers = shared->barriers;
  const uint32_t keys = memory + Shape::kRowBytes;
  const uint32_t values = keys + Shape::kStages * Shape::kKeyBytes;
  Ring<Shape::kStages> ring;
  Ring<1> items;
  for (ItemOrder at; at.valid(a.work); at.advance(), items.advance()) {
    const Item item = at.item(a.work);
    const HeadPlace head{item.head, at.batch(a.work)};
    const int32_t slot = item.groups_per_lane * (kSm90Rows / kSm90Lanes);
    const Place own{item.first_lane, item.last_lane, item.first_row, slot};
    await(barriers.rows_free(), items.parity ^ 1);
    const DeviceOrder rows = a.work.walks[item.walk].rows;
    for (int row = thread; row < kSm90Rows; row += 32) {
      shared->item.positions[row] = own.position(rows, length, row);
    }
    if (thread == 0) {
      shared->item.head = head;
      shared->item.empty = item.first_segment >= item.last_segment;
    }
    bring_tile<kQk>(memory, barriers.rows_full(), &maps.q[item.walk], a.q, rows, length, own, head,
                    is_regular(maps.rows[item.walk], own, rows, length, INT32_MAX));
    for (int32_t index = item.first_segment; index < item.last_segment; ++index) {
      const Segment segment = a.work.segments[index];
      const DeviceOrder columns = a.work.walks[segment.walk].columns;
      const bool shares = slot < kSm90Rows;  // its tiles with other lanes
      for (int32_t column = segment.begin; column < segment.end; column += kSm90Columns) {
        const Place place{segment.lane, shares ? item.last_lane : segment.lane + 1, column,
                          shares ? slot : kSm90Columns};
        const bool regular =
            is_regular(maps.columns[segment.walk], place, columns, length, segment.end);
        const TileView view(a.work, segment, own, place, shared->item.positions);
        await(barriers.keys_free(ring.stage), ring.parity ^ 1);
        view.write(&shared->tiles[ring.stage],
                   index + 1 == item.last_segment && column + kSm90Columns >= segment.end);
        bring_tile<kQk>(keys + static_cast<uint32_t>(ring.stage * Shape::kKeyBytes),
                        barriers.keys_full(ring.stage), &maps.k[segment.walk], a.k, columns, length,
                        place, head, regular);
        await(barriers.values_free(ring.stage), ring.parity ^ 1);
        bring_tile<kV>(values + static_cast<uint32_t>(ring.stage * Shape::kValueBytes),
                       barriers.values_full(ring.stage), &maps.v[segment.walk], a.v, columns,
                       length, place, head, regular);
        ring.advance();
      }
    }
  }
}

}  // namespace lacuna::cuda::attention
