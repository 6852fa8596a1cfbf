// Messages to the person at the terminal and to the run's log file. Thread-safe.
#pragma once

#include <string>

namespace lacuna {

/// Writes one line of information to stderr, in the place of a live line, and to the log file.
void log_info(const std::string& line);
/// Does the same, marked as a warning.
void log_warning(const std::string& line);
/// Writes a line to the log file only (the terminal shows a live line instead).
void log_quiet(const std::string& line);

/// Shows a line on the terminal that the next one, live or not, replaces.
void show_live_line(const std::string& line);
/// Takes the live line, if there is one, off the terminal.
void clear_live_line();

/// From now on information and live lines are dropped, and warnings begin with `name`: of processes
/// that work together one speaks for all.
void log_warnings_only(const std::string& name);

/// Writes every message to `path`, too (appended): those that come and, with their times, those
/// that have come before. Throws Error(kIo) when it cannot.
void open_log_file(const std::string& path);

}  // namespace lacuna
