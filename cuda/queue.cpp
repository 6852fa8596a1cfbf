#include "queue.h"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <utility>

#include "lacuna/base/error.h"
#include "lacuna/base/text.h"
#include "lacuna/tensor/device_error.h"
#include "overlap.h"

namespace lacuna::cuda {
namespace {

// Pinned host memory with an event that says when a copy from or to it is done.
class Pinned {
 public:
  explicit Pinned(size_t bytes) {
    check(cudaMallocHost(&host_, bytes), "cudaMallocHost");
    check(cudaEventCreateWithFlags(&done_, cudaEventDisableTiming), "cudaEventCreate");
  }
  ~Pinned() {
    cudaEventSynchronize(done_);
    cudaEventDestroy(done_);
    cudaFreeHost(host_);
  }
  Pinned(const Pinned&) = delete;
  Pinned& operator=(const Pinned&) = delete;

  void* host() const { return host_; }
  void record(cudaStream_t stream) { check(cudaEventRecord(done_, stream), "cudaEventRecord"); }
  void wait() { check(cudaEventSynchronize(done_), "cudaEventSynchronize"); }

 private:
  void* host_ = nullptr;
  cudaEvent_t done_ = nullptr;
};

class CapturedGraph : public Graph {
 public:
  explicit CapturedGraph(cudaGraph_t graph) {
    const cudaError_t status = cudaGraphInstantiate(&executable_, graph, 0);
    cudaGraphDestroy(graph);
    check(status, "cudaGraphInstantiate");
  }
  ~CapturedGraph() override { cudaGraphExecDestroy(executable_); }
  CapturedGraph(const CapturedGraph&) = delete;
  CapturedGraph& operator=(const CapturedGraph&) = delete;

  cudaGraphExec_t executable() const { return executable_; }

 private:
  cudaGraphExec_t executable_ = nullptr;
};

constexpr size_t kUploads = 4;                    // pieces that may be under way
constexpr size_t kUploadPiece = size_t{4} << 20;  // bytes
constexpr size_t kDownload = size_t{4} << 10;     // bytes of a download that is kept ready

}  // namespace

// Freeing pinned memory waits for the device, so what each step needs is kept.
struct GpuStream::Staging {
  std::vector<std::unique_ptr<Pinned>> uploads;  // used in turn
  size_t next_upload = 0;
  std::vector<std::unique_ptr<Pinned>> idle_downloads;
};

namespace {

// Hands its memory back to where it came from.
class PinnedCopy : public Download {
 public:
  PinnedCopy(std::unique_ptr<Pinned> memory, std::vector<std::unique_ptr<Pinned>>* home)
      : memory_(std::move(memory)), home_(home) {}
  ~PinnedCopy() override {
    if (home_ != nullptr) home_->push_back(std::move(memory_));
  }
  PinnedCopy(const PinnedCopy&) = delete;
  PinnedCopy& operator=(const PinnedCopy&) = delete;

  const void* wait() override {
    memory_->wait();
    return memory_->host();
  }

 private:
  std::unique_ptr<Pinned> memory_;
  std::vector<std::unique_ptr<Pinned>>* home_;
};

}  // namespace

void check(cudaError_t status, const char* call) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // else the next check_launch() would report it again
  throw DeviceError(call, str("the GPU reports: ", cudaGetErrorString(status), " (",
                              cudaGetErrorName(status), ")"));
}

void check(cublasStatus_t status, const char* call) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw DeviceError(call, str("cuBLAS reports: ", cublasLtGetStatusString(status)));
}

void check_launch(const char* kernel) {
  check(cudaGetLastError(), kernel);
}

// What later queues find held besides, earlier ones hold, or it was loaded late.
static size_t first_context(int device, size_t held) {
  static std::mutex mutex;
  static std::map<int, size_t> known;
  const std::lock_guard lock(mutex);
  return known.try_emplace(device, held).first->second;
}

GpuStream::GpuStream(const QueueConfig& config) : config_(config) {
  check(cudaSetDevice(config.device), "cudaSetDevice");
  cudaDeviceProp facts{};
  check(cudaGetDeviceProperties(&facts, config.device), "cudaGetDeviceProperties");
  multiprocessors_ = facts.multiProcessorCount;
  capability_ = facts.major * 10 + facts.minor;
  overlaps_launches_ = can_overlap_launches();
  check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreate");
  check(cublasLtCreate(&blas_), "cublasLtCreate");
  size_t free = 0, total = 0;
  check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
  context_bytes_ = first_context(config.device, total - free);
  check(cudaMalloc(&workspace_, config.workspace), "cudaMalloc of the workspace");
  staging_ = std::make_unique<Staging>();
  for (size_t i = 0; i < kUploads; ++i) {
    staging_->uploads.push_back(std::make_unique<Pinned>(kUploadPiece));
  }
}

GpuStream::GpuStream(const GpuStream& main, Beside)
    : config_(main.config_),
      multiprocessors_(main.multiprocessors_),
      capability_(main.capability_),
      context_bytes_(main.context_bytes_) {
  config_.workspace = 0;
  int least = 0, greatest = 0;  // its kernels go first, so that what waits for them waits less
  check(cudaDeviceGetStreamPriorityRange(&least, &greatest), "cudaDeviceGetStreamPriorityRange");
  check(cudaStreamCreateWithPriority(&stream_, cudaStreamNonBlocking, greatest),
        "cudaStreamCreate");
}

GpuStream::~GpuStream() {
  cudaStreamSynchronize(stream_);
  cache_.clear();
  staging_.reset();
  cudaFree(workspace_);
  if (blas_ != nullptr) cublasLtDestroy(blas_);
  cudaStreamDestroy(stream_);
}

Tensor GpuStream::allocate(const Shape& shape, DType dtype) {
  const size_t bytes = std::max<size_t>(static_cast<size_t>(shape.count()) * size_of(dtype), 1);
  void* memory = nullptr;
  const cudaError_t status = cudaMalloc(&memory, bytes);
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // not sticky: the caller may lower what it asks for
    size_t free = 0, total = 0;
    check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
    throw Error(ErrorKind::kConfig, "GPU memory",
                str(human_bytes(bytes), " are wanted in one piece, ", human_bytes(free), " of ",
                    human_bytes(total), " are free"),
                "Lower the batch, the context or the model");
  }
  check(status, "cudaMalloc");
  const std::shared_ptr<const void> owner(
      memory, [](const void* held) { cudaFree(const_cast<void*>(held)); });
  check(cudaMemsetAsync(memory, 0, bytes, stream_), "cudaMemsetAsync");
  return {View(memory, dtype, shape), owner};
}

Tensor GpuStream::allocate_shared(const Shape& shape, DType dtype) {
  const size_t bytes = static_cast<size_t>(shape.count()) * size_of(dtype);
  void* memory = nullptr;
  check(cudaMallocHost(&memory, bytes), "cudaMallocHost");
  std::memset(memory, 0, bytes);
  const std::shared_ptr<const void> owner(
      memory, [](const void* held) { cudaFreeHost(const_cast<void*>(held)); });
  return {View(memory, dtype, shape), owner};
}

void GpuStream::upload(void* device, const void* host, size_t bytes) {
  for (size_t begin = 0; begin < bytes; begin += kUploadPiece) {
    const size_t size = std::min(kUploadPiece, bytes - begin);
    Pinned& piece = *staging_->uploads[staging_->next_upload++ % kUploads];
    piece.wait();
    std::memcpy(piece.host(), static_cast<const std::byte*>(host) + begin, size);
    check(cudaMemcpyAsync(static_cast<std::byte*>(device) + begin, piece.host(), size,
                          cudaMemcpyHostToDevice, stream_),
          "cudaMemcpyAsync");
    piece.record(stream_);
  }
}

std::unique_ptr<Download> GpuStream::download(const void* device, size_t bytes) {
  const bool small = bytes <= kDownload;
  auto& idle = staging_->idle_downloads;
  std::unique_ptr<Pinned> memory;
  if (small && !idle.empty()) {
    memory = std::move(idle.back());
    idle.pop_back();
  } else {
    memory = std::make_unique<Pinned>(std::max(bytes, kDownload));
  }
  check(cudaMemcpyAsync(memory->host(), device, bytes, cudaMemcpyDeviceToHost, stream_),
        "cudaMemcpyAsync");
  memory->record(stream_);
  return std::make_unique<PinnedCopy>(std::move(memory), small ? &idle : nullptr);
}

void GpuStream::read(void* host, const void* device, size_t bytes) {
  check(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, stream_), "cudaMemcpyAsync");
  wait();
}

void GpuStream::fill(void* device, int byte, size_t bytes) {
  check(cudaMemsetAsync(device, byte, bytes, stream_), "cudaMemsetAsync");
}

void GpuStream::wait() {
  check(cudaStreamSynchronize(stream_), "cudaStreamSynchronize");
}

void GpuStream::launched(std::string_view contract) {
  if (marking_) {
    Mark mark{std::string(contract), nullptr};
    check(cudaEventCreate(&mark.done), "cudaEventCreate");
    check(cudaEventRecord(mark.done, stream_), "cudaEventRecord");
    marks_.push_back(mark);
  }
  if (config_.launches == LaunchMode::kStream && !marking_)
    check(cudaStreamSynchronize(stream_), std::string(contract).c_str());
}

void GpuStream::begin_marks() {
  marking_ = true;
  launched("");  // where the first one begins
}

std::vector<GpuStream::Mark> GpuStream::take_marks() {
  marking_ = false;
  return std::exchange(marks_, {});
}

std::unique_ptr<Graph> GpuStream::capture(const std::function<void()>& work) {
  check(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal),
        "cudaStreamBeginCapture");
  cudaGraph_t graph = nullptr;
  try {
    work();
  } catch (...) {
    if (cudaStreamEndCapture(stream_, &graph) == cudaSuccess) cudaGraphDestroy(graph);
    cudaGetLastError();
    throw;
  }
  check(cudaStreamEndCapture(stream_, &graph), "cudaStreamEndCapture");
  return std::make_unique<CapturedGraph>(graph);
}

void GpuStream::replay(Graph& graph) {
  check(cudaGraphLaunch(dynamic_cast<CapturedGraph&>(graph).executable(), stream_),
        "cudaGraphLaunch");
}

namespace {

class GpuEvent : public Event {
 public:
  GpuEvent() {
    check(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming), "cudaEventCreate");
  }
  ~GpuEvent() override { cudaEventDestroy(event_); }
  GpuEvent(const GpuEvent&) = delete;
  GpuEvent& operator=(const GpuEvent&) = delete;
  cudaEvent_t event() const { return event_; }

 private:
  cudaEvent_t event_ = nullptr;
};

}  // namespace

std::shared_ptr<DeviceStream> GpuStream::side() {
  return std::shared_ptr<GpuStream>(new GpuStream(*this, Beside()));
}

std::unique_ptr<Event> GpuStream::make_event() {
  return std::make_unique<GpuEvent>();
}

void GpuStream::record(Event& event) {
  check(cudaEventRecord(dynamic_cast<GpuEvent&>(event).event(), stream_), "cudaEventRecord");
}

void GpuStream::wait_for(Event& event) {
  check(cudaStreamWaitEvent(stream_, dynamic_cast<GpuEvent&>(event).event(), 0),
        "cudaStreamWaitEvent");
}

void* GpuStream::workspace_bytes(size_t bytes) {
  require(bytes <= config_.workspace, "GpuStream::workspace", "an op wants more scratch memory");
  return workspace_;
}

GpuStream& gpu(const Queue& queue) {
  return static_cast<GpuStream&>(queue.stream());
}

Queue make_queue(const QueueConfig& config) {
  const std::string reason = why_unusable(config.device);
  if (!reason.empty()) {
    throw Error(ErrorKind::kConfig, str("GPU ", config.device), reason);
  }
  return Queue(std::make_shared<GpuStream>(config));
}

std::string device_name(const Queue& queue) {
  cudaDeviceProp facts{};
  check(cudaGetDeviceProperties(&facts, gpu(queue).config().device), "cudaGetDeviceProperties");
  return facts.name;
}

std::string device_place(const Queue& queue) {
  char place[32] = {};
  check(cudaDeviceGetPCIBusId(place, sizeof place, gpu(queue).config().device),
        "cudaDeviceGetPCIBusId");
  return place;
}

int capability(const Queue& queue) {
  return gpu(queue).capability();
}

DeviceMemory device_memory(const Queue& queue) {
  DeviceMemory memory{};
  check(cudaMemGetInfo(&memory.free, &memory.total), "cudaMemGetInfo");
  memory.context = gpu(queue).context_bytes();
  memory.workspace = gpu(queue).config().workspace;
  return memory;
}

}  // namespace lacuna::cuda
