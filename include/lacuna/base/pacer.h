// How a thread does long work in the background of others that need every core.
#pragma once

#include <condition_variable>
#include <mutex>

namespace lacuna {

/// Paces one thread: it rests until it has worked for a fiftieth of the time at most, unless
/// somebody waits for it. Not by a low priority, which would leave whoever waits behind all other
/// work of the machine, and cannot be raised again without privileges.
class Pacer {
 public:
  /// On the thread itself, once, before its work.
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
