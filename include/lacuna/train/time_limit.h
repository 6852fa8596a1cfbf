// How long a run may take.
#pragma once

#include <chrono>
#include <ratio>

namespace lacuna::train {

class TimeLimit {
 public:
  /// From now on; 0 hours: no limit.
  explicit TimeLimit(double hours) : hours_(hours) {}

  bool is_over() const {
    const std::chrono::duration<double, std::ratio<3600>> hours =
        std::chrono::steady_clock::now() - start_;
    return hours_ > 0 && hours.count() > hours_;
  }

 private:
  double hours_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace lacuna::train
