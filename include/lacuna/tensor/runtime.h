// Where work runs. Every execution takes an explicit Queue&: there is no current device.
//
// On a CPU queue a launch has finished when it returns. A GPU queue comes from its backend
// (cuda::make_queue): it takes launches in order, and each returns at once. Where this header says
// "memory of the device", that is host memory for a CPU queue and the GPU's memory for a GPU queue.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "lacuna/tensor/tensor.h"

namespace lacuna {

/// Work that was recorded once and can be run again: the same launches on the same memory.
class Graph {
 public:
  virtual ~Graph() = default;
};

/// A copy to host memory that is under way. Must not outlive its queue.
class Download {
 public:
  virtual ~Download() = default;
  /// Waits for it; the bytes stay there as long as this object. Throws Error(kInternal) when the
  /// device has failed.
  virtual const void* wait() = 0;
};

/// A moment in the work of a queue, for another one to wait for.
class Event {
 public:
  virtual ~Event() = default;
};

/// What a GPU backend gives to the queue. Sizes are in bytes.
class DeviceStream {
 public:
  virtual ~DeviceStream() = default;
  /// Zeroed device memory; throws Error(kConfig) with the free bytes when there is not enough.
  virtual Tensor allocate(const Shape& shape, DType dtype) = 0;
  /// Zeroed host memory that the device can write.
  virtual Tensor allocate_shared(const Shape& shape, DType dtype) = 0;
  virtual void upload(void* device, const void* host, size_t bytes) = 0;
  virtual std::unique_ptr<Download> download(const void* device, size_t bytes) = 0;
  /// Copies to host memory and waits.
  virtual void read(void* host, const void* device, size_t bytes) = 0;
  virtual void fill(void* device, int byte, size_t bytes) = 0;
  virtual void wait() = 0;
  /// Told after each launch what it was.
  virtual void launched(std::string_view contract) = 0;
  /// Whether work may be recorded; not where each launch is waited for.
  virtual bool uses_graphs() const = 0;
  virtual std::unique_ptr<Graph> capture(const std::function<void()>& work) = 0;
  virtual void replay(Graph& graph) = 0;
  /// Another stream of the device, which launches but does not copy to or from the host.
  virtual std::shared_ptr<DeviceStream> side() = 0;
  virtual std::unique_ptr<Event> make_event() = 0;
  virtual void record(Event& event) = 0;
  virtual void wait_for(Event& event) = 0;
};

/// An ordered stream of work on one device. Not thread-safe: one thread launches on a queue. Copies
/// share the stream.
class Queue {
 public:
  /// Runs on `threads` CPU threads, each launch complete when it returns, or on as many as OpenMP
  /// gives, which OMP_THREAD_LIMIT, for one, bounds. threads >= 1.
  static Queue cpu(int threads);
  /// Runs nothing: launches return at once. For dry runs over shapes.
  static Queue dry();
  /// Runs on the device behind `stream`.
  explicit Queue(std::shared_ptr<DeviceStream> stream) : stream_(std::move(stream)) {}

  /// CPU threads; 0 when dry or on a GPU.
  int threads() const { return threads_; }
  bool is_dry() const { return threads_ == 0 && stream_ == nullptr; }
  bool on_gpu() const { return stream_ != nullptr; }
  DeviceStream& stream() const { return *stream_; }  // only on_gpu()

  /// Own memory of the queue's device, zeroed; none when dry, where the rest does nothing, too.
  Tensor zeros(const Shape& shape, DType dtype) const;
  /// Zeroed host memory that the device can write, too. What it wrote before a fault stays.
  Tensor shared(const Shape& shape, DType dtype) const;
  /// Fills the bytes of a contiguous view.
  void fill(const View& to, int byte) const;
  /// Copies host memory to a contiguous view of the device; `from` may change once it returns.
  void upload(const View& to, const void* from) const;
  /// Begins to copy a contiguous view of the device to the host.
  std::unique_ptr<Download> download(const View& from) const;
  /// Copies a contiguous view of the device to host memory; waits.
  void read(const View& from, void* to) const;
  /// A host tensor with the elements of a contiguous view; waits.
  Tensor to_host(const View& from) const;
  /// Until all work is done. Throws Error(kInternal) when the device has failed.
  void wait() const;

  /// Whether capture() may be called.
  bool uses_graphs() const { return on_gpu() && stream_->uses_graphs(); }
  /// Records what `work` launches on this queue, without running it. The memory that it launches on
  /// must outlive the graph.
  std::unique_ptr<Graph> capture(const std::function<void()>& work) const;
  void replay(Graph& graph) const;

  // Two queues of a GPU work at the same time; only memory that both know of may be shared, in the
  // order that events give. A recording of one takes in what the other launches between an event
  // that it waits for and one that is waited for in turn. On a CPU both are the same queue, whose
  // work has been done when a launch returns, and events say nothing.

  /// A second queue of the device.
  Queue side() const;
  std::unique_ptr<Event> make_event() const;
  /// The event is what has been launched on this queue so far.
  void record(Event& event) const;
  /// What is launched on this queue from now on waits for the event.
  void wait_for(Event& event) const;

 private:
  explicit Queue(int threads) : threads_(threads) {}
  int threads_ = 0;
  std::shared_ptr<DeviceStream> stream_;
};

}  // namespace lacuna
