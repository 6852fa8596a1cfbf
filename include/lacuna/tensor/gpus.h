// The GPUs of this machine. Only in builds with CUDA.
#pragma once

#include <string>
#include <vector>

#include "lacuna/tensor/runtime.h"

namespace lacuna::cuda {

/// One line per visible GPU: name, compute capability, multiprocessors, memory. Without a driver or
/// a GPU, one line that says so.
std::vector<std::string> describe_gpus();

/// Visible GPUs; 0 without a driver.
int gpu_count();

/// Empty when this binary can compute on GPU `device`; otherwise why it cannot, in one sentence.
std::string why_unusable(int device);

/// How f32 matrix products are computed.
enum class MatrixPrecision : uint8_t { kF32, kTF32 };

/// Graphs: what repeats is recorded once and replayed. Stream: each kernel is launched anew and
/// waited for, so that a fault names it.
enum class LaunchMode : uint8_t { kGraph, kStream };

/// Which kernels compute attention in 16 bits: those that are made for the GPU and the sizes, where
/// there are such, or those for every GPU and size, for checks and comparisons.
enum class AttentionKernels : uint8_t { kAutomatic, kGeneral };

struct QueueConfig {
  int device = 0;
  MatrixPrecision f32_products = MatrixPrecision::kF32;
  size_t workspace = size_t{64} << 20;  // bytes, for matrix products and partial sums
  LaunchMode launches = LaunchMode::kGraph;
  AttentionKernels attention = AttentionKernels::kAutomatic;
};

/// A queue with a stream, a cuBLASLt handle and a workspace of its own. Throws Error(kConfig) with
/// the reason when there is no usable GPU.
Queue make_queue(const QueueConfig& config);

/// Names the queue's GPU, such as "NVIDIA H200".
std::string device_name(const Queue& queue);
/// Where it is in its host, such as "0000:3b:00.0": another GPU has another place.
std::string device_place(const Queue& queue);

/// Of the queue's GPU: 90 for compute capability 9.0.
int capability(const Queue& queue);

/// Bytes of the queue's device.
struct DeviceMemory {
  size_t free, total;
  size_t context;  // held by the CUDA context and this program's code when the first queue was made
  size_t workspace;  // of the queue
};
DeviceMemory device_memory(const Queue& queue);

/// What `work` launched, one entry per contract with the sum of its times, longest first. It must
/// not replay graphs.
struct ContractTime {
  std::string contract;
  int64_t launches = 0;
  double ms = 0;
};
std::vector<ContractTime> profile(const Queue& queue, const std::function<void()>& work);

/// Milliseconds of `work`, which launches on the queue, by events around each of `repeats` runs, in
/// ascending order. Call it once before: the first run is never like the others.
std::vector<double> time_on_device(const Queue& queue, int repeats,
                                   const std::function<void(int repeat)>& work);

/// Bytes read and written per second by a large copy within the GPU's memory, measured now. Holds
/// 4 GiB meanwhile.
double copy_rate(const Queue& queue);

}  // namespace lacuna::cuda
