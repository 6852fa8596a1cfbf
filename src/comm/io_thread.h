// Threads of the room: signals are for the thread that waits for them (cli/signals.h).
#pragma once

#include <pthread.h>

#include <csignal>
#include <thread>
#include <utility>

namespace lacuna::comm {

/// While one exists, its thread blocks all signals, and so do, for good, threads that it makes.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

template <class Work>
std::thread thread_without_signals(Work work) {
  const SignalsBlocked meanwhile;
  return std::thread(std::move(work));
}

}  // namespace lacuna::comm
