// The score of a part sample by sample, and place by place where samples have a shape.
#pragma once

#include <cstdint>
#include <vector>

#include "lacuna/train/evaluator.h"

namespace lacuna::train {

/// A record where windows keep to the records, such as sounds, otherwise a window, which of
/// pictures is one picture.
struct SampleScore {
  int64_t number;     // in the part
  int64_t first;      // of the positions scored, in the part
  int64_t positions;  // scored
  double nats;
};

struct SampleScores {
  std::vector<SampleScore> samples;
  /// For each place of a sample that has a shape: nats of all samples. Otherwise empty.
  std::vector<double> place_nats;

  /// Adds what evaluate() tells of a window of `context` symbols at most; in its order.
  void add(const EvaluationRequest& request, int64_t context, const EvaluationWindow& window,
           const double* losses);
};

}  // namespace lacuna::train
