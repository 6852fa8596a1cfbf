// What the copying warp and the computing warpgroups of the Hopper kernels have in common: the
// items of a block, rings of tiles, and notes beside them in shared memory, so that only the
// copying warp reads tables.
#pragma once

#include "attention/copies_sm90.cuh"

namespace lacuna::cuda::attention {

inline constexpr int kSm90Groups = kSm90Rows / 64;
inline constexpr int kSm90Parts = kSm90Rows / 32;  // a warp's thread notes rows thread + 32 * part
inline constexpr int kSm90Threads = 128 * (1 + kSm90Groups);

/// What a warpgroup sees of a tile.
enum class Seen : int32_t { kNothing, kSome, kAll };

struct HeadPlace {
  int32_t head, batch;
};

struct ItemNotes {
  int32_t positions[kSm90Rows];  // -1: there is no such row
  HeadPlace head;
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

}  // namespace lacuna::cuda::attention
