#include <cuda_runtime.h>

#include "overlap.h"

namespace lacuna::cuda {
namespace {

__global__ void probe_kernel() {}

}  // namespace

// The code that runs must be made for 9.0, or its kernels would not wait (a binary for 8.0 alone is
// translated for newer GPUs as it is); recorded launches of this kind need driver 12.3.
bool can_overlap_launches() {
  constexpr int kHopper = 90, kDriver = 12030;
  cudaFuncAttributes code{};
  int driver = 0;
  const bool known = cudaFuncGetAttributes(&code, probe_kernel) == cudaSuccess &&
                     cudaDriverGetVersion(&driver) == cudaSuccess;
  cudaGetLastError();  // not knowing is no failure
  return known && code.ptxVersion >= kHopper && driver >= kDriver;
}

}  // namespace lacuna::cuda
