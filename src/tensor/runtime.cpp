#include "lacuna/tensor/runtime.h"

#include <omp.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "lacuna/base/error.h"

namespace lacuna {
namespace {

class HostCopy : public Download {
 public:
  explicit HostCopy(const View& from) : copy_(Tensor::zeros(from.shape(), from.dtype())) {
    std::memcpy(copy_.view().raw(), from.raw(), from.bytes());
  }
  const void* wait() override { return copy_.view().raw(); }

 private:
  Tensor copy_;
};

// How many threads, this one counted, can live at a time, up to `wanted`: where OpenMP cannot make
// one, it ends the process.
int threads_to_be_had(int wanted) {
  std::vector<std::thread> others;
  std::mutex gate;
  {
    const std::lock_guard closed(gate);
    try {
      while (static_cast<int>(others.size()) + 1 < wanted) {
        others.emplace_back([&gate] { const std::lock_guard through(gate); });
      }
    } catch (const std::system_error&) {  // no more than these
    }
  }
  for (std::thread& other : others) other.join();
  return static_cast<int>(others.size()) + 1;
}

}  // namespace

Queue Queue::cpu(int threads) {
  require(threads >= 1, "Queue::cpu", "fewer than one thread");
  omp_set_dynamic(0);              // or OpenMP may give fewer at any time
  static std::atomic<int> had{1};  // threads that OpenMP has made: it keeps them
  if (threads > had) threads = std::max(had.load(), threads_to_be_had(threads));
  int given = 1;
#pragma omp parallel num_threads(threads)
#pragma omp single
  given = omp_get_num_threads();
  had = std::max(had.load(), given);
  return Queue(given);
}

Queue Queue::dry() {
  return Queue(0);
}

Tensor Queue::zeros(const Shape& shape, DType dtype) const {
  if (is_dry()) return {View(nullptr, dtype, shape), nullptr};
  return on_gpu() ? stream_->allocate(shape, dtype) : Tensor::zeros(shape, dtype);
}

Tensor Queue::shared(const Shape& shape, DType dtype) const {
  return on_gpu() ? stream_->allocate_shared(shape, dtype) : Tensor::zeros(shape, dtype);
}

void Queue::fill(const View& to, int byte) const {
  require(to.contiguous(), "Queue::fill", "the view is not contiguous");
  if (is_dry()) return;
  if (on_gpu()) return stream_->fill(to.raw(), byte, to.bytes());
  std::memset(to.raw(), byte, to.bytes());
}

void Queue::upload(const View& to, const void* from) const {
  require(to.contiguous(), "Queue::upload", "the view is not contiguous");
  if (is_dry()) return;
  if (on_gpu()) return stream_->upload(to.raw(), from, to.bytes());
  std::memcpy(to.raw(), from, to.bytes());
}

std::unique_ptr<Download> Queue::download(const View& from) const {
  require(from.contiguous(), "Queue::download", "the view is not contiguous");
  if (on_gpu()) return stream_->download(from.raw(), from.bytes());
  return std::make_unique<HostCopy>(from);
}

Tensor Queue::to_host(const View& from) const {
  Tensor copy = Tensor::zeros(from.shape(), from.dtype());
  read(from, copy.view().raw());
  return copy;
}

void Queue::read(const View& from, void* to) const {
  require(from.contiguous(), "Queue::read", "the view is not contiguous");
  if (on_gpu()) return stream_->read(to, from.raw(), from.bytes());
  std::memcpy(to, from.raw(), from.bytes());
}

void Queue::wait() const {
  if (on_gpu()) stream_->wait();
}

std::unique_ptr<Graph> Queue::capture(const std::function<void()>& work) const {
  require(uses_graphs(), "Queue::capture", "the queue cannot record");
  return stream_->capture(work);
}

void Queue::replay(Graph& graph) const {
  require(uses_graphs(), "Queue::replay", "the queue cannot replay");
  stream_->replay(graph);
}

Queue Queue::side() const {
  return on_gpu() ? Queue(stream_->side()) : *this;
}

std::unique_ptr<Event> Queue::make_event() const {
  return on_gpu() ? stream_->make_event() : std::make_unique<Event>();
}

void Queue::record(Event& event) const {
  if (on_gpu()) stream_->record(event);
}

void Queue::wait_for(Event& event) const {
  if (on_gpu()) stream_->wait_for(event);
}

}  // namespace lacuna
