// What a person sees of a run: one live line on a terminal, plain lines elsewhere.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace lacuna::train {

struct DisplayLine {
  int64_t step, total;
  double bits;
  double tokens_per_second;
  double seconds_left;
  size_t memory;  // bytes planned
};

class RunDisplay {
 public:
  /// Plain lines come every `plain_every` steps.
  explicit RunDisplay(int64_t plain_every);
  ~RunDisplay();
  RunDisplay(const RunDisplay&) = delete;
  RunDisplay& operator=(const RunDisplay&) = delete;

  void show(const DisplayLine& line);
  /// A line of its own, above the live one.
  void say(const std::string& line);
  /// The same, marked as a warning.
  void warn(const std::string& line);

 private:
  void clear();

  bool live_;
  bool shown_ = false;
  int64_t plain_every_;
};

}  // namespace lacuna::train
