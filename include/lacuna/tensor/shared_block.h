// Memory of one device for work that is never under way at the same time, such as training and
// evaluation: as large as the largest of it needs, not as all of it together.
#pragma once

#include <cstddef>
#include <cstdint>

#include "lacuna/tensor/runtime.h"

namespace lacuna {

/// Owns the memory; whoever works in it holds a shared_ptr. Not thread-safe.
class SharedBlock {
 public:
  explicit SharedBlock(const Queue& queue) : queue_(queue) {}
  SharedBlock(const SharedBlock&) = delete;
  SharedBlock& operator=(const SharedBlock&) = delete;

  /// There will be at least so many bytes. Throws Error(kInternal) when fewer have been taken
  /// already: recorded work holds addresses in the memory, so it never moves.
  void reserve(size_t bytes);
  /// The largest reservation.
  size_t bytes() const { return bytes_; }
  bool taken() const { return memory_.present(); }
  /// That many bytes of the queue's device, taken by the first call and filled with NaN, so that a
  /// read before a write shows. Throws Error(kConfig) when there is not enough.
  uint8_t* data();

  /// Work begins: what other work has left in the memory is lost. Returns the number of this work,
  /// from 1.
  int64_t begin_work() { return ++last_work_; }
  /// The number of the work that began last: what it leaves can be read.
  int64_t last_work() const { return last_work_; }

 private:
  Queue queue_;
  size_t bytes_ = 0;
  Tensor memory_;
  int64_t last_work_ = 0;
};

}  // namespace lacuna
