// The GPUs of this machine.
#pragma once

#include <string>
#include <vector>

namespace lacuna::cuda {

/// One line per visible GPU: name, compute capability, multiprocessors, memory. Without a driver or
/// a GPU, one line that says so. Only in builds with CUDA.
std::vector<std::string> describe_gpus();

}  // namespace lacuna::cuda
