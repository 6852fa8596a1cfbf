// What the CUDA runtime says of the GPUs of this machine.
#include "lacuna/tensor/gpus.h"

#include <cuda_runtime_api.h>

#include <cstdio>

#include "lacuna/base/text.h"

namespace lacuna::cuda {

int gpu_count() {
  int count = 0;
  return cudaGetDeviceCount(&count) == cudaSuccess ? count : 0;
}

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

std::string why_unusable(int device) {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status == cudaErrorInsufficientDriver) {
    return "the driver is older than CUDA " + std::to_string(CUDART_VERSION / 1000) +
           ", which this program was built with";
  }
  if (status != cudaSuccess) return cudaGetErrorString(status);
  if (device >= count) return str("there are ", count, " GPUs, numbered from 0");
  cudaDeviceProp facts{};
  const cudaError_t read = cudaGetDeviceProperties(&facts, device);
  if (read != cudaSuccess) return cudaGetErrorString(read);
  if (facts.major < 8) {
    return str(facts.name, " is of compute capability ", facts.major, ".", facts.minor,
               "; at least 8.0 is needed");
  }
  return "";
}

}  // namespace lacuna::cuda
