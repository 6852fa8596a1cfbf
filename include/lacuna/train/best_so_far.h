// Which evaluation was the best, and how long a run waits for a better one. Nothing here looks at a
// clock or a file.
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>

namespace lacuna::train {

struct BestSoFar {
  int64_t patience = 0;        // evaluations; 0: endless
  std::optional<double> bits;  // of the weights that evaluation prefers
  int64_t since = 0;           // evaluations after that

  /// Whether these bits would be the best.
  bool is_beaten_by(double other) const { return std::isfinite(other) && (!bits || other < *bits); }
  /// Takes an evaluation into account; whether it is the best.
  bool judge(double other) {
    const bool best = is_beaten_by(other);
    since = best ? 0 : since + 1;
    if (best) bits = other;
    return best;
  }
  bool out_of_patience() const { return patience > 0 && since >= patience; }
};

}  // namespace lacuna::train
