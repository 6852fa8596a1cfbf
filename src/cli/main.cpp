// The entry of the binary, and the only catch of errors: one paragraph on stderr, exit code 2 for
// usage, configuration and data, 1 otherwise. When the reader of the standard output has gone, the
// process ends as by SIGPIPE, without a word.
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <exception>

#include "lacuna/base/error.h"
#include "lacuna/base/text.h"
#include "lacuna/cli/command.h"
#include "signals.h"

namespace {

// A standard stream that is closed would be replaced by the next file that is opened, and messages
// would land in it. Where such a stream was to be written to, it still cannot be.
void keep_standard_streams() {
  int descriptor = 0;
  do {
    descriptor = open("/dev/null", O_RDONLY);
  } while (descriptor >= 0 && descriptor <= STDERR_FILENO);
  if (descriptor > STDERR_FILENO) close(descriptor);
}

// Whether the standard output is a pipe that nobody reads any more.
bool reader_is_gone() {
  pollfd output{.fd = STDOUT_FILENO, .events = POLLOUT, .revents = 0};
  return poll(&output, 1, 0) == 1 && (output.revents & (POLLERR | POLLHUP)) != 0;
}

// A command also ends when what it prints is lost, as when `head` has seen enough: for nothing.
bool should_stop() {
  return lacuna::cli::stop_requested() || std::ferror(stdout) != 0;
}

}  // namespace

int main(int argc, char** argv) {
  keep_standard_streams();
  lacuna::cli::watch_signals();
  std::signal(SIGXFSZ, SIG_IGN);  // a limit on the size of files is a write that fails
  // And so is a pipe without a reader: messages that nobody reads must not end a training run.
  const bool pipes_kill = std::signal(SIGPIPE, SIG_IGN) != SIG_IGN;
  try {
    {
      const lacuna::cli::Acknowledging meanwhile;
      lacuna::cli::run_command_line(argc, argv, should_stop);
    }
    if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return 0;
    if (pipes_kill && reader_is_gone()) {
      std::signal(SIGPIPE, SIG_DFL);
      std::raise(SIGPIPE);
    }
    std::fprintf(stderr, "lacuna: cannot write to the standard output.\n");
    return 1;
  } catch (const lacuna::cli::EndedWith& end) {
    return end.code;
  } catch (const lacuna::Error& error) {
    if (!error.fact().empty()) std::fprintf(stderr, "%s\n", error.fact().c_str());
    std::fprintf(stderr, "lacuna: %s\n",
                 lacuna::printable(error.what()).c_str());  // it may name any file
    return error.exit_code();
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "lacuna: out of memory.\n");
    return 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "lacuna: unexpected: %s\n", error.what());
    return 1;
  }
}
