#include "lacuna/optim/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace lacuna::optim {

double Schedule::rate(int64_t update) const {
  const auto at = static_cast<double>(update), ramp = static_cast<double>(warmup);
  if (update < warmup) return learning_rate * at / ramp;
  const double rest = std::max(1.0, static_cast<double>(total) - ramp);
  const double progress = std::min(1.0, (at - ramp) / rest);
  return learning_rate * 0.5 * (1 + std::cos(std::numbers::pi * progress));
}

double Schedule::decay(int64_t update) const {
  const auto at = static_cast<double>(update);
  return std::min(average_decay, (1 + at) / (10 + at));
}

}  // namespace lacuna::optim
