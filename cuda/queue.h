// The GPU behind a queue, as the kernels of this room see it: its stream, its workspace, and
// checked calls of the CUDA runtime.
#pragma once

#include <cublasLt.h>
#include <cuda_runtime_api.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lacuna/tensor/gpus.h"

namespace lacuna::cuda {

/// Throws Error(kInternal) naming `call` unless the status is success.
void check(cudaError_t status, const char* call);
void check(cublasStatus_t status, const char* call);

/// To be called after each kernel launch; throws Error(kInternal) naming the kernel.
void check_launch(const char* kernel);

class GpuStream : public DeviceStream {
 public:
  explicit GpuStream(const QueueConfig& config);
  ~GpuStream() override;
  GpuStream(const GpuStream&) = delete;
  GpuStream& operator=(const GpuStream&) = delete;

  Tensor allocate(const Shape& shape, DType dtype) override;
  Tensor allocate_shared(const Shape& shape, DType dtype) override;
  void upload(void* device, const void* host, size_t bytes) override;
  std::unique_ptr<Download> download(const void* device, size_t bytes) override;
  void read(void* host, const void* device, size_t bytes) override;
  void fill(void* device, int byte, size_t bytes) override;
  void wait() override;
  void launched(std::string_view contract) override;
  bool uses_graphs() const override { return config_.launches == LaunchMode::kGraph; }
  std::unique_ptr<Graph> capture(const std::function<void()>& work) override;
  void replay(Graph& graph) override;
  std::shared_ptr<DeviceStream> side() override;
  std::unique_ptr<Event> make_event() override;
  void record(Event& event) override;
  void wait_for(Event& event) override;

  const QueueConfig& config() const { return config_; }
  cudaStream_t stream() const { return stream_; }
  cublasLtHandle_t blas() const { return blas_; }
  int multiprocessors() const { return multiprocessors_; }
  int capability() const { return capability_; }  // 90 for compute capability 9.0
  /// Whether kernels may begin before the one before has ended (launch_kernel.h).
  bool overlaps_launches() const { return overlaps_launches_; }
  size_t context_bytes() const { return context_bytes_; }

  /// From now on an event follows each launch; take_marks() ends this and hands them over.
  void begin_marks();
  struct Mark {
    std::string contract;
    cudaEvent_t done;
  };
  std::vector<Mark> take_marks();

  /// Scratch memory of the op that is being launched: the next op may overwrite it. Aligned to 256
  /// bytes. Throws Error(kInternal) when the workspace is smaller.
  template <class T>
  T* workspace(int64_t count) {
    return static_cast<T*>(workspace_bytes(static_cast<size_t>(count) * sizeof(T)));
  }
  void* workspace_bytes(size_t bytes);
  /// Its bytes. What grows with sizes is cut up to fit (scratch.h).
  int64_t workspace_size() const { return static_cast<int64_t>(config_.workspace); }

  /// What `make` returned for this key when it was first asked for: plans and tables on the device
  /// that depend on the key's bytes alone and live as long as the queue. `make` must not be needed
  /// for the first time while a graph is captured when it allocates.
  template <class T>
  const T& cached(const std::string& key, const std::function<std::shared_ptr<T>()>& make) {
    std::shared_ptr<void>& entry = cache_[key];
    if (entry == nullptr) entry = make();
    return *static_cast<const T*>(entry.get());
  }

 private:
  struct Staging;  // pinned host memory for copies
  struct Beside {};
  GpuStream(const GpuStream& main, Beside);

  QueueConfig config_;
  cudaStream_t stream_ = nullptr;
  cublasLtHandle_t blas_ = nullptr;
  int multiprocessors_ = 0;
  int capability_ = 0;
  bool overlaps_launches_ = false;
  size_t context_bytes_ = 0;
  void* workspace_ = nullptr;
  std::unique_ptr<Staging> staging_;
  std::map<std::string, std::shared_ptr<void>> cache_;
  bool marking_ = false;
  std::vector<Mark> marks_;
};

/// The stream of a queue that runs on a GPU.
GpuStream& gpu(const Queue& queue);

}  // namespace lacuna::cuda
