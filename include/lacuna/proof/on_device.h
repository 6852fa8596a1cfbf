// A plain struct in the memory of a queue's device, such as the state that contracts point to.
#pragma once

#include "lacuna/tensor/runtime.h"

namespace lacuna::proof {

/// Copies share the memory.
template <class T>
class OnDevice {
 public:
  explicit OnDevice(Queue queue, const T& start = {})
      : queue_(std::move(queue)), memory_(queue_.zeros({int64_t{sizeof(T)}}, DType::kU8)) {
    write(start);
  }

  T* get() const { return static_cast<T*>(memory_.view().raw()); }
  void write(const T& value) const { queue_.upload(memory_, &value); }
  /// Waits for the queue.
  T read() const {
    T value;
    queue_.read(memory_, &value);
    return value;
  }

 private:
  Queue queue_;
  Tensor memory_;
};

}  // namespace lacuna::proof
