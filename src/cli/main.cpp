// The entry of the binary, and the only catch of errors: one paragraph on stderr, exit code 2 for
// usage, configuration and data, 1 otherwise.
#include <csignal>
#include <cstdio>
#include <exception>

#include "lacuna/base/error.h"
#include "lacuna/cli/command.h"
#include "signals.h"

int main(int argc, char** argv) {
  lacuna::cli::watch_signals();
  std::signal(SIGXFSZ, SIG_IGN);  // a limit on the size of files is a write that fails
  try {
    lacuna::cli::run_command_line(argc, argv, lacuna::cli::stop_requested);
    lacuna::cli::stop_acknowledging();
    if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return 0;
    std::fprintf(stderr, "lacuna: cannot write to the standard output.\n");
    return 1;
  } catch (const lacuna::Error& error) {
    std::fprintf(stderr, "lacuna: %s\n", error.what());
    return error.exit_code();
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "lacuna: out of memory.\n");
    return 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "lacuna: unexpected: %s\n", error.what());
    return 1;
  }
}
