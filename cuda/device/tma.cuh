// Bulk copies of boxes of a tensor (sm_90): one thread starts them, the copy engine does the rest.
#pragma once

#include <cuda.h>

#include <cstdint>

namespace lacuna::cuda::device {

struct BoxCorner {
  int32_t at[5];  // by dimension of the map, the innermost first, in elements
};

/// Starts to bring the box of `map` at `corner` to shared memory at `to`; its bytes, those outside
/// of the tensor as zeros, count towards the barrier's phase.
__device__ inline void copy_box(uint32_t to, const CUtensorMap* map, uint32_t barrier,
                                const BoxCorner& corner) {
  asm volatile(
      "cp.async.bulk.tensor.5d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, "
      "%4, %5, %6, %7}], [%2];" ::"r"(to),
      "l"(map), "r"(barrier), "r"(corner.at[0]), "r"(corner.at[1]), "r"(corner.at[2]),
      "r"(corner.at[3]), "r"(corner.at[4])
      : "memory");
}

/// Starts to bring the box to the L2 cache only.
__device__ inline void prefetch_box(const CUtensorMap* map, const BoxCorner& corner) {
  asm volatile(
      "cp.async.bulk.prefetch.tensor.5d.L2.global.tile [%0, {%1, %2, %3, %4, %5}];" ::"l"(map),
      "r"(corner.at[0]), "r"(corner.at[1]), "r"(corner.at[2]), "r"(corner.at[3]), "r"(corner.at[4])
      : "memory");
}

}  // namespace lacuna::cuda::device
