// What the CUDA runtime says of the GPUs of this machine.
#include <cuda_runtime_api.h>

#include <cstdio>

#include "lacuna/tensor/gpus.h"

namespace lacuna::cuda {

std::vector<std::string> describe_gpus() {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess) return {std::string("none (") + cudaGetErrorString(status) + ")"};
  std::vector<std::string> lines;
  for (int device = 0; device < count; ++device) {
    cudaDeviceProp facts{};
    const cudaError_t read = cudaGetDeviceProperties(&facts, device);
    if (read != cudaSuccess) {
      lines.emplace_back(cudaGetErrorString(read));
      continue;
    }
    char line[400];
    std::snprintf(line, sizeof line, "%s, sm_%d%d, %d multiprocessors, %.1f GiB", facts.name,
                  facts.major, facts.minor, facts.multiProcessorCount,
                  static_cast<double>(facts.totalGlobalMem) / (1 << 30));
    lines.emplace_back(line);
  }
  if (lines.empty()) lines.emplace_back("none is visible");
  return lines;
}

}  // namespace lacuna::cuda
