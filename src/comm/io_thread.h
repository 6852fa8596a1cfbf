// Threads of the room: signals are for the thread that waits for them (cli/signals.h).
#pragma once

#include <pthread.h>

#include <csignal>
#include <thread>
#include <utility>

namespace lacuna::comm {

/// A thread that blocks all signals, as it inherits what is blocked.
template <class Work>
std::thread thread_without_signals(Work work) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    std::thread thread(std::move(work));
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return thread;
  } catch (...) {
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    throw;
  }
}

}  // namespace lacuna::comm
