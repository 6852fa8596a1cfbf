// Collective operations on GPUs. A communicator does not block, so that a rank which waits for one
// that is gone can give up; its operations are kernels on the stream of the queue, and a graph may
// record them. All ranks must record and replay the same ones in the same order, and destroy their
// graphs before the communicator.
#include <cuda_runtime_api.h>
#include <nccl.h>
#include <stdlib.h>

#include <chrono>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>

#include "lacuna/base/error.h"
#include "lacuna/base/text.h"
#include "lacuna/comm/communicator.h"
#include "lacuna/comm/lost_rank.h"
#include "nccl_library.h"
#include "queue.h"

namespace lacuna::cuda {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kToBegin(120);  // until all ranks are connected
constexpr std::chrono::seconds kToLaunch(60);  // of one operation, by the host
constexpr std::chrono::seconds kToEnd(10);
constexpr std::chrono::microseconds kBetweenLooks(50);

// What NCCL reads once, before its first call. What the user has set stays.
void prepare_environment() {
  setenv("NCCL_NVLS_ENABLE", "0", 0);      // multicast over NVLink stays off
  setenv("NCCL_RUNTIME_CONNECT", "0", 0);  // all memory is taken at once, none within a graph
}

ncclDataType_t nccl_type(DType dtype) {
  switch (dtype) {
    case DType::kF64:
      return ncclFloat64;
    case DType::kF32:
      return ncclFloat32;
    case DType::kBF16:
      return ncclBfloat16;
    case DType::kU8:
      return ncclUint8;
    default:
      throw Error(ErrorKind::kInternal, "NCCL", std::string("no operations on ") + name_of(dtype));
  }
}

ncclUniqueId id_of_first(Group& group, const NcclLibrary& nccl) {
  ncclUniqueId id{};
  if (group.is_first()) {
    const ncclResult_t status = nccl.get_unique_id(&id);
    if (status != ncclSuccess) {
      throw Error(ErrorKind::kConfig, "NCCL",
                  str("it cannot begin: ", nccl.get_error_string(status), " (",
                      nccl.get_last_error(nullptr), ")"),
                  "NCCL_DEBUG=INFO tells more");
    }
  }
  const std::string bytes = group.from_first("NCCL's id", std::string(id.internal, sizeof id));
  require(bytes.size() == sizeof id, "NCCL", "an id of another size: another NCCL at rank 0");
  std::memcpy(id.internal, bytes.data(), sizeof id);
  return id;
}

size_t free_bytes() {
  size_t free = 0, total = 0;
  check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
  return free;
}

class Nccl : public Communicator {
 public:
  Nccl(Group& group, const Queue& queue) : group_(group) {
    if (size() == 1) return;
    prepare_environment();
    nccl_ = load_nccl();
    check(cudaSetDevice(gpu(queue).config().device), "cudaSetDevice");
    const ncclUniqueId id = id_of_first(group, nccl_);
    const size_t before = free_bytes();
    try {
      begin(id);
    } catch (...) {
      abort();
      throw;
    }
    const size_t after = free_bytes();
    bytes_ = before > after ? before - after : 0;
  }

  // With a peer that is gone NCCL would wait for it.
  ~Nccl() override {
    if (failed_ || !group_.is_whole() || !finalized()) {
      abort();
      return;
    }
    const std::scoped_lock lock(mutex_);
    if (comm_ != nullptr) nccl_.comm_destroy(comm_);
  }
  Nccl(const Nccl&) = delete;
  Nccl& operator=(const Nccl&) = delete;

  int rank() const override { return group_.rank(); }
  int size() const override { return group_.size(); }

  void all_reduce(Queue& queue, const View& x) override {
    run(queue, "AllReduce", x, [&](ncclDataType_t type, cudaStream_t stream) {
      return nccl_.all_reduce(x.raw(), x.raw(), static_cast<size_t>(x.count()), type, ncclSum,
                              comm_, stream);
    });
  }

  void reduce_scatter(Queue& queue, const View& x) override {
    run(queue, "ReduceScatter", x, [&](ncclDataType_t type, cudaStream_t stream) {
      return nccl_.reduce_scatter(x.raw(), own_part(x), part_count(x), type, ncclSum, comm_,
                                  stream);
    });
  }

  void all_gather(Queue& queue, const View& x) override {
    run(queue, "AllGather", x, [&](ncclDataType_t type, cudaStream_t stream) {
      return nccl_.all_gather(own_part(x), x.raw(), part_count(x), type, comm_, stream);
    });
  }

  void broadcast(Queue& queue, const View& x) override {
    run(queue, "Broadcast", x, [&](ncclDataType_t type, cudaStream_t stream) {
      return nccl_.broadcast(x.raw(), x.raw(), static_cast<size_t>(x.count()), type, 0, comm_,
                             stream);
    });
  }

  void abort() noexcept override {
    const std::scoped_lock lock(mutex_);
    if (comm_ != nullptr) nccl_.comm_abort(comm_);
    comm_ = nullptr;
  }

  std::string description() const override {
    return size() == 1 ? "NCCL, not needed" : "NCCL " + version_of(nccl_);
  }
  size_t bytes() const override { return bytes_; }

 private:
  void begin(const ncclUniqueId& id) {
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    ncclResult_t status = ncclSuccess;
    {
      const std::scoped_lock lock(mutex_);
      status = nccl_.comm_init(&comm_, size(), id, rank(), &config);
    }
    finish("the connections of NCCL", status, kToBegin);
  }

  size_t part_count(const View& x) const {
    require(x.count() % size() == 0, "NCCL", "parts of different sizes");
    return static_cast<size_t>(x.count() / size());
  }
  void* own_part(const View& x) const {
    return static_cast<std::byte*>(x.raw()) +
           static_cast<size_t>(rank()) * part_count(x) * size_of(x.dtype());
  }

  template <class Launch>
  void run(Queue& queue, const char* name, const View& x, const Launch& launch) {
    require(x.contiguous(), name, "a view that is not contiguous");
    if (size() == 1 || queue.is_dry() || x.count() == 0) return;
    GpuStream& stream = gpu(queue);
    const ncclDataType_t type = nccl_type(x.dtype());
    ncclResult_t status = ncclSuccess;
    {
      const std::scoped_lock lock(mutex_);
      status = comm_ == nullptr ? ncclInvalidUsage : launch(type, stream.stream());
    }
    finish(name, status, kToLaunch);
    stream.launched(name);
  }

  // A call that does not block may be under way when it returns, and so may what it puts on the
  // stream: nothing may follow there before that has ended.
  void finish(const std::string& place, ncclResult_t status, std::chrono::seconds patience) {
    const Clock::time_point until = Clock::now() + patience;
    while (status == ncclInProgress && Clock::now() < until && group_.is_whole()) {
      std::this_thread::sleep_for(kBetweenLooks);
      status = state();
    }
    if (status == ncclSuccess) return;
    failed_ = true;
    const std::string fault = describe(status);
    const std::string who = group_.who_is_lost();
    if (!who.empty()) throw LostRank(place, who);
    throw Error(ErrorKind::kInternal, place,
                status == ncclInProgress
                    ? str("NCCL has not ended it within ", patience.count(), " s")
                    : "NCCL reports: " + fault,
                "NCCL_DEBUG=INFO tells more");
  }

  ncclResult_t state() {
    const std::scoped_lock lock(mutex_);
    ncclResult_t status = ncclInvalidUsage;
    if (comm_ == nullptr) return status;  // given up
    const ncclResult_t asked = nccl_.comm_get_async_error(comm_, &status);
    return asked == ncclSuccess ? status : asked;
  }

  std::string describe(ncclResult_t status) {
    const std::scoped_lock lock(mutex_);
    if (comm_ == nullptr) return "it has been given up";
    return str(nccl_.get_error_string(status), " (", nccl_.get_last_error(comm_), ")");
  }

  // Whether all that was put on streams has ended. The graphs have been destroyed.
  bool finalized() {
    ncclResult_t status = ncclSuccess;
    {
      const std::scoped_lock lock(mutex_);
      if (comm_ == nullptr) return true;
      status = nccl_.comm_finalize(comm_);
    }
    const Clock::time_point until = Clock::now() + kToEnd;
    while (status == ncclInProgress && Clock::now() < until && group_.is_whole()) {
      std::this_thread::sleep_for(kBetweenLooks);
      status = state();
    }
    return status == ncclSuccess;
  }

  Group& group_;
  NcclLibrary nccl_{};  // not loaded when alone
  std::mutex mutex_;    // one call at a time; abort() may come from any thread
  ncclComm_t comm_ = nullptr;
  bool failed_ = false;
  size_t bytes_ = 0;
};

}  // namespace

std::unique_ptr<Communicator> make_nccl(Group& group, const Queue& queue) {
  return std::make_unique<Nccl>(group, queue);
}

}  // namespace lacuna::cuda
