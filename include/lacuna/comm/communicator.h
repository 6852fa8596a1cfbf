// Collective operations on tensors, by NCCL on GPUs and Gloo on CPUs. All ranks call the same ones
// in the same order with views of the same shape and type.
#pragma once

#include <cstddef>
#include <memory>

#include "lacuna/comm/group.h"
#include "lacuna/tensor/runtime.h"

namespace lacuna {

#ifdef LACUNA_WITH_NCCL
inline constexpr bool kWithNccl = true;
#else
inline constexpr bool kWithNccl = false;
#endif

/// Views are contiguous memory of the queue's device, of f32, f64, bf16 or u8 (sums: not u8).
/// Work is put on the queue; on a CPU it has been done on return. Results have the same bits on all
/// ranks. Throws Error(kInternal) when a rank is gone.
class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  /// x = sum of x over the ranks.
  virtual void all_reduce(Queue& queue, const View& x) = 0;
  /// Of `size()` equal parts of x the one of this rank becomes its sum over the ranks; what becomes
  /// of the others is not said.
  virtual void reduce_scatter(Queue& queue, const View& x) = 0;
  /// Of `size()` equal parts of x each comes from its rank.
  virtual void all_gather(Queue& queue, const View& x) = 0;
  /// x = x of rank 0.
  virtual void broadcast(Queue& queue, const View& x) = 0;
  /// Gives up what is under way, from any thread; nothing but the destructor may be called then.
  /// With Gloo this frees the other ranks, but nobody who waits in this process: it must be ended.
  virtual void abort() noexcept = 0;
  /// The library by name and version.
  virtual std::string description() const = 0;
  /// Bytes of the device that the library was seen to take when it began.
  virtual size_t bytes() const = 0;
};

/// For CPU queues. The group must outlive it. Throws Error(kConfig).
std::unique_ptr<Communicator> make_gloo(Group& group);

namespace cuda {
/// For queues of this GPU. Only in builds with CUDA and NCCL (kWithNccl). Throws Error(kConfig).
std::unique_ptr<Communicator> make_nccl(Group& group, const Queue& queue);
}  // namespace cuda

}  // namespace lacuna
