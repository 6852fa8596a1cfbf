// Messages to the person at the terminal and to the run's log file. Thread-safe.
#pragma once

#include <string>

namespace lacuna {

/// One line of information to stderr and, when a log file is open, to it.
void log_info(const std::string& line);
/// The same, marked as a warning.
void log_warning(const std::string& line);
/// A line that goes to the log file only (the terminal shows a live line instead).
void log_quiet(const std::string& line);

/// Also writes every message to `path` (appended) from now on; throws Error(kIo) when it cannot.
void open_log_file(const std::string& path);

}  // namespace lacuna
