// Launches of kernels that follow each other closely: on Hopper and newer the blocks of the next
// kernel are set up while the last blocks of the one before still run (programmatic dependent
// launch), which saves up to a microsecond a kernel. The kernels of training's attention, most of
// which take far longer, are launched in the ordinary way, which always waits. For .cu files.
#pragma once

#include <cuda_runtime.h>

#include "queue.h"
#include "scratch.h"

namespace lacuna::cuda {

/// Lets the blocks of the next kernel come, once all blocks of this one have called it or ended.
__device__ inline void release_next() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

/// Waits until all that was launched before is done.
__device__ inline void await_previous() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

/// Every kernel that is launched by launch_kernel() calls this, or await_previous(), before it
/// touches memory (prefetches aside).
__device__ inline void follow_previous() {
  release_next();
  await_previous();
}

/// Throws Error(kInternal) with `name` when the launch fails.
template <class... Parameters, class... Arguments>
void launch_kernel(const GpuStream& stream, const char* name, void (*kernel)(Parameters...),
                   dim3 blocks, dim3 threads, int shared, const Arguments&... arguments) {
  require(blocks.y <= kMostBlocksAlongY && blocks.z <= kMostBlocksAlongY, name,
          "the sizes ask for more than 65,535 blocks along the second or third dimension");
  cudaLaunchAttribute early{};
  early.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  early.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = blocks;
  config.blockDim = threads;
  config.dynamicSmemBytes = static_cast<size_t>(shared);
  config.stream = stream.stream();
  config.attrs = &early;
  config.numAttrs = stream.overlaps_launches() ? 1 : 0;
  check(cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...), name);
}

}  // namespace lacuna::cuda
