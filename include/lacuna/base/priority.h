// How a thread does long work in the background of others that need every core.
#pragma once

#include <condition_variable>
#include <mutex>

namespace lacuna {

/// Paces one thread. The lowest priority is not enough: whoever waits for a core that this thread
/// holds may wait for the end of its time slice. So it also rests, until it has worked for a
/// fiftieth of the time at most, unless somebody waits for it.
class Pacer {
 public:
  /// On the thread itself, once: lowers its priority for the rest of its life, where the system
  /// lets it.
  void begin();
  /// On the thread itself, after each small piece of work: sleeps, or returns at once after
  /// hurry().
  void rest();
  /// From any thread: ends the rest under way and all that would follow.
  void hurry();

 private:
  std::mutex mutex_;
  std::condition_variable hurried_;
  bool in_a_hurry_ = false;
  double worked_ = 0;  // processor seconds of the thread at the end of its last rest
};

}  // namespace lacuna
