// The one exception type of lacuna: what kind of failure, where, what was expected and what came,
// and what the user can do about it. `main` prints it as one paragraph.
#pragma once

#include <exception>
#include <string>
#include <string_view>

namespace lacuna {

enum class ErrorKind {
  kUsage,     // a command line that cannot be understood
  kConfig,    // an option with a wrong name, type or range, or options that contradict each other
  kData,      // input files that are missing, empty, too short, unreadable or damaged
  kIo,        // the operating system refused a write
  kNumeric,   // training diverged
  kInternal,  // a broken promise between parts of lacuna itself
};

class Error : public std::exception {
 public:
  /// place: file, option or function; message: what was expected and what came; hint: what to do
  /// (may be empty). All are kept as given.
  Error(ErrorKind kind, const std::string& place, const std::string& message,
        const std::string& hint = "");

  const char* what() const noexcept override { return paragraph_.c_str(); }
  /// What is wrong and where, without the hint and the full stop.
  std::string_view fault() const { return std::string_view(paragraph_).substr(0, fault_size_); }
  ErrorKind kind() const { return kind_; }
  /// A line of its own for programs to read, such as "minimum: 1024 bytes"; usually empty.
  const std::string& fact() const { return fact_; }
  Error with_fact(std::string fact) const;

  /// 2 for usage, config and data (the user can fix it), 1 for everything else.
  int exit_code() const;

 private:
  ErrorKind kind_;
  std::string paragraph_;
  size_t fault_size_;
  std::string fact_;
};

/// Throws an internal Error naming `place` unless `condition` holds.
void require(bool condition, const char* place, const char* message);

}  // namespace lacuna
