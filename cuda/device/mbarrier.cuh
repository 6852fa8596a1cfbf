// Barriers in shared memory of sm_90, one function an instruction. A phase of a barrier is over
// when as many threads have arrived as it was made for and all bytes that it was told of have come;
// then the next begins. Who waits says the parity of the phase it waits for: 0 for the first.
// Before the first phase is over, the one before it, of parity 1, counts as over.
#pragma once

#include <cstdint>

namespace lacuna::cuda::device {

__device__ inline void make_barrier(uint32_t barrier, int arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(arrivals) : "memory");
}
/// After make_barrier(), before other threads and copies use it; a block-wide barrier follows.
__device__ inline void publish_barriers() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

/// What this thread has done before is seen by those who wait for the phase.
__device__ inline void arrive(uint32_t barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(barrier) : "memory");
}
/// The same, and tells the barrier of bytes that bulk copies will bring.
__device__ inline void arrive_and_expect(uint32_t barrier, int bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes)
               : "memory");
}
/// Arrives when all asynchronous copies (cp.async) of this thread have come, while it goes on; one
/// of the arrivals that the barrier was made for.
__device__ inline void arrive_after_copies(uint32_t barrier) {
  asm volatile("cp.async.mbarrier.arrive.noinc.shared::cta.b64 [%0];" ::"r"(barrier) : "memory");
}

/// Until the phase of this parity is over.
__device__ inline void await(uint32_t barrier, uint32_t parity) {
  uint32_t over;
  do {
    asm volatile(
        "{\n"
        ".reg .pred over;\n"
        "mbarrier.try_wait.parity.shared::cta.b64 over, [%1], %2;\n"
        "selp.u32 %0, 1, 0, over;\n"
        "}"
        : "=r"(over)
        : "r"(barrier), "r"(parity)
        : "memory");
  } while (over == 0);
}

/// Until `threads` threads of the block have come to the barrier of that number (1 to 15).
__device__ inline void meet(int number, int threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(number), "r"(threads) : "memory");
}

/// What ordinary instructions of this thread have written to shared memory, bulk copies and the
/// tensor cores see after it; in each writing thread, before a barrier.
__device__ inline void show_to_async_proxy() {
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

}  // namespace lacuna::cuda::device
