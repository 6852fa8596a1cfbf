// Where work runs. Every execution takes an explicit Queue&: there is no current device.
#pragma once

#include <cstdint>

namespace lacuna {

/// An ordered stream of work on one device. Not thread-safe: one thread launches on a queue.
class Queue {
 public:
  /// Runs on `threads` CPU threads, each launch complete when it returns. threads >= 1.
  static Queue cpu(int threads);
  /// Runs nothing: launches return at once. For dry runs over shapes.
  static Queue dry();

  int threads() const { return threads_; }
  bool is_dry() const { return threads_ == 0; }

 private:
  explicit Queue(int threads) : threads_(threads) {}
  int threads_;
};

/// CPU threads that this process may use.
int available_threads();

}  // namespace lacuna
