// How far long work is: a line on the terminal that is painted anew, or a plain line now and then.
#pragma once

#include <chrono>
#include <string>

namespace lacuna::cli {

/// One thread at a time. The destructor takes the line off the terminal.
class ProgressBar {
 public:
  ProgressBar();
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  /// `share` of the work is done, from 0 to 1, of what began when `what` was first given; texts
  /// before and behind the bar. Cheap: most calls show nothing.
  void show(const std::string& what, double share, const std::string& amounts);
  /// Whether the next show() will show something.
  bool is_due() const;

 private:
  using Clock = std::chrono::steady_clock;

  std::string line(double share, const std::string& amounts, size_t columns) const;

  bool live_;
  std::string what_;
  double first_share_ = 0;
  Clock::time_point began_, shown_;
  std::chrono::seconds patience_;
};

}  // namespace lacuna::cli
