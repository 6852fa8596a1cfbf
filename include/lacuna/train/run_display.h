// What a person sees of long work: one live line on a terminal, plain lines elsewhere.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

namespace lacuna::train {

struct DisplayLine {
  int64_t step = 0, total = 0;   // total 0: not in a run
  std::string doing;             // what is under way and how far it is; empty: a step has ended
  std::string place;             // where in it
  std::optional<double> bits;    // smoothed
  std::string unit;              // "bits per byte"
  double tokens_per_second = 0;  // 0: not known yet
  std::optional<double> seconds_left;
  double share_of_peak = 0;  // of the rate of large matrix products; 0: not known
  size_t memory = 0;         // bytes planned
};

/// The line in at most `columns` characters: the least important of its fields are left out, and
/// where not even the step fits, its end.
std::string text_of(const DisplayLine& line, size_t columns);

/// Any thread may call.
class RunDisplay {
 public:
  /// Plain lines come every `plain_every` steps.
  explicit RunDisplay(int64_t plain_every);
  ~RunDisplay();
  RunDisplay(const RunDisplay&) = delete;
  RunDisplay& operator=(const RunDisplay&) = delete;

  /// A step has ended.
  void show(const DisplayLine& line);
  /// Something goes on. It is seen on the live line when that has not changed for a moment, and as
  /// a plain line after 15 seconds without one, after 30 more, and then once a minute.
  void show_at_work(const DisplayLine& line);

 private:
  using Clock = std::chrono::steady_clock;

  void paint(const DisplayLine& line);
  void plain(const DisplayLine& line);

  std::mutex mutex_;
  bool live_;
  int64_t plain_every_;
  Clock::time_point painted_ = Clock::now();
  Clock::time_point last_plain_ = Clock::now();
  std::chrono::seconds patience_;  // from then until something at work is worth a plain line
};

}  // namespace lacuna::train
