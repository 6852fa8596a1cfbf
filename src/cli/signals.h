// The signals that ask a command to end: SIGINT (Ctrl-C), SIGTERM, SIGUSR1 (how schedulers announce
// the end of a job) and SIGHUP (the terminal has gone; not where it is ignored, as under nohup).
//
// No signal ever has a handler: it would run on the stack of whichever thread it meets, and
// oneDNN's matrix products do not survive that. All threads block these signals and one waits for
// them.
#pragma once

namespace lacuna::cli {

/// Begins to watch. To be called once, before any other thread is made: threads inherit what is
/// blocked. Where no thread can be made for it, stop_requested() looks for signals itself.
void watch_signals();

/// Tells whether any of the signals has come. The first of SIGINT, SIGTERM and SIGUSR1 is
/// acknowledged on stderr, and from then on the next one ends the process as if lacuna did not know
/// it. A hang-up is neither acknowledged nor counted: nobody is there to insist, and it often comes
/// twice. To be asked by one thread.
bool stop_requested();

/// From now on another process acknowledges the signals that this one is sent, and passes on those
/// that it is sent itself: what comes within two seconds is one request.
void leave_acknowledging_to_others();

/// While one exists, signals are acknowledged. Its end waits for an acknowledgement that is being
/// written, so that what a command says last, an error included, is the last line.
class Acknowledging {
 public:
  Acknowledging() = default;
  ~Acknowledging();
  Acknowledging(const Acknowledging&) = delete;
  Acknowledging& operator=(const Acknowledging&) = delete;
};

}  // namespace lacuna::cli
