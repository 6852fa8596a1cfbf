// The evaluations that a run makes: every validation set, by the raw weights and their average.
#pragma once

#include <functional>
#include <vector>

#include "lacuna/train/trainer.h"

namespace lacuna::train {

struct EvaluationRound {
  struct Result {
    Weights weights;
    Evaluation evaluation;
    std::optional<double> floor;  // of the set, in bits per symbol
  };
  std::vector<Result> results;  // set by set; those without symbols are left out
  double judged_bits = 0;       // of the first set, by the weights that evaluation prefers
  bool complete = true;         // else it was stopped, and the results are not all there

  /// Whether some set was not looked at as a whole.
  bool limited() const;
};

/// Symbols that a round of at most `limit` windows of each set scores for one kind of weights; 0:
/// there are none.
int64_t evaluated_symbols(const Options& options, const Dataset& data, int64_t limit);

/// At most `limit` windows of each set, 0: all. `counted` is told of the windows of all.
EvaluationRound evaluate_all(Trainer& trainer, const Dataset& data, int64_t limit,
                             const std::function<bool()>& stop, const Counted& counted);

}  // namespace lacuna::train
