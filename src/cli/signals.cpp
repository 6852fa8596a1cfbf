#include "signals.h"

#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>

namespace lacuna::cli {
namespace {

// `timeout` and others send one request twice, to the process and to its group; nobody presses
// Ctrl-C twice as fast.
std::atomic<std::chrono::milliseconds> one_request(std::chrono::milliseconds(50));

// The watching thread uses these until the process is gone: none has a destructor.
std::atomic<bool> requested;
std::mutex writing;          // an acknowledgement, or that the command is over
bool over = false;           // or another process does it
bool watched = false;        // by a thread
sigset_t asking, insisting;  // all that are watched; those whose second one ends the process

bool is_ignored(int signal) {
  struct sigaction now {};
  return sigaction(signal, nullptr, &now) == 0 && now.sa_handler == SIG_IGN;
}

// A line of its own also below the live line of training, which has no end.
void acknowledge() {
  const std::scoped_lock lock(writing);
  if (over) return;
  std::string text = isatty(STDERR_FILENO) == 1 ? "\n" : "";
  text += "stopping after the work at hand; again to quit now\n";
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, text.data(), text.size());
}

// The next one meets a thread that does not block it, and does what it does by default. Before
// anything is written, which may take as long as its reader likes.
void let_the_next_one_through() {
  pthread_sigmask(SIG_UNBLOCK, &insisting, nullptr);
}

// Takes one that has come already; returns 0 or less when there is none.
int take_pending() {
  const timespec at_once{};
  return sigtimedwait(&asking, nullptr, &at_once);
}

// All that have come so far are one request: unblocked, another would end the process at once.
void answer_request() {
  while (take_pending() > 0) {
  }
  let_the_next_one_through();
  acknowledge();
}

[[noreturn]] void watch() {
  int signal = 0;
  do {
    sigwait(&asking, &signal);
    requested = true;
  } while (signal == SIGHUP);
  std::this_thread::sleep_for(one_request.load());
  answer_request();
  for (;;) pause();
}

}  // namespace

void watch_signals() {
  sigemptyset(&insisting);
  for (const int signal : {SIGINT, SIGTERM, SIGUSR1}) {
    sigaddset(&insisting, signal);
    std::signal(signal, SIG_DFL);  // it may have been ignored, as in the background of a script
  }
  asking = insisting;
  if (!is_ignored(SIGHUP)) sigaddset(&asking, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &asking, nullptr);
  try {
    std::thread(watch).detach();
    watched = true;
  } catch (const std::system_error&) {  // no thread can be made: stop_requested() looks
  }
}

bool stop_requested() {
  if (watched) return requested;
  const int signal = take_pending();
  if (signal <= 0) return requested;
  requested = true;
  if (signal != SIGHUP) answer_request();
  return true;
}

void leave_acknowledging_to_others() {
  one_request = std::chrono::seconds(2);
  const std::scoped_lock lock(writing);
  over = true;
}

Acknowledging::~Acknowledging() {
  const std::scoped_lock lock(writing);
  over = true;
}

}  // namespace lacuna::cli
