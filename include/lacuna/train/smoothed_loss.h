// A loss that can be read while it jumps from batch to batch.
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>

namespace lacuna::train {

/// m_n = 0.95 m_(n-1) + 0.05 x_n from m_0 = 0, corrected by 1 - 0.95^n: the weights of the losses
/// so far sum to 1 from the first one on. What is not finite is passed over.
class SmoothedLoss {
 public:
  void add(double loss) {
    if (!std::isfinite(loss)) return;
    mean_ = kDecay * mean_ + (1 - kDecay) * loss;
    weight_ = kDecay * weight_ + (1 - kDecay);
  }
  /// Nothing before the first loss.
  std::optional<double> value() const {
    return weight_ > 0 ? std::optional(mean_ / weight_) : std::nullopt;
  }

 private:
  static constexpr double kDecay = 0.95;
  double mean_ = 0, weight_ = 0;
};

}  // namespace lacuna::train
