// From logits to one symbol: temperature, then top-k, then top-p, then a draw.
#pragma once

#include <cstdint>
#include <vector>

#include "lacuna/tensor/view.h"

namespace lacuna::train {

struct DrawRule {
  double temperature = 1;  // logits are divided by it; 0: always the likeliest symbol
  int64_t top_k = 0;       // only the k likeliest symbols; 0: all
  double top_p = 1;        // of those only the fewest whose shares add up to at least p; in (0, 1]
};

/// Row `row` of logits [.., V] in f64 or f32 on the host, in f64.
std::vector<double> row_of(const View& logits, int64_t row);

/// The probability of each symbol under the rule, up to a common factor; 0: never drawn. Of equally
/// likely symbols the one with the lower number counts as the likelier.
std::vector<double> relative_probabilities(const std::vector<double>& logits, const DrawRule& rule);

/// The symbol at which the running sum of relative_probabilities(logits, rule) passes the share
/// `uniform` of the whole sum. Throws Error(kNumeric) when a logit is NaN or infinitely likely.
int32_t draw(const std::vector<double>& logits, const DrawRule& rule, double uniform);

}  // namespace lacuna::train
