#include "lacuna/train/draw.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "lacuna/base/error.h"

namespace lacuna::train {
namespace {

// How many of the likeliest symbols may be drawn; `order` has them all, likeliest first.
size_t kept_count(const std::vector<double>& weights, const std::vector<size_t>& order,
                  const DrawRule& rule) {
  size_t kept = order.size();
  if (rule.top_k > 0) kept = std::min(kept, static_cast<size_t>(rule.top_k));
  if (rule.top_p >= 1) return kept;
  double sum = 0;
  for (size_t n = 0; n < kept; ++n) sum += weights[order[n]];
  double share = 0;
  for (size_t n = 0; n < kept; ++n) {
    share += weights[order[n]];
    if (share >= rule.top_p * sum) return n + 1;
  }
  return kept;
}

}  // namespace

std::vector<double> row_of(const View& logits, int64_t row) {
  const int64_t classes = logits.shape().back();
  std::vector<double> values(static_cast<size_t>(classes));
  for (int64_t j = 0; j < classes; ++j) {
    const int64_t at = row * classes + j;
    values[static_cast<size_t>(j)] = logits.dtype() == DType::kF64
                                         ? logits.data<double>()[at]
                                         : static_cast<double>(logits.data<float>()[at]);
  }
  return values;
}

std::vector<double> relative_probabilities(const std::vector<double>& logits,
                                           const DrawRule& rule) {
  const double top = *std::max_element(logits.begin(), logits.end());
  std::vector<double> weights = logits;
  for (double& weight : weights) {
    weight =
        rule.temperature == 0 ? double(weight == top) : std::exp((weight - top) / rule.temperature);
  }
  if (rule.temperature > 0 && rule.top_k == 0 && rule.top_p >= 1) return weights;
  std::vector<size_t> order(weights.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return weights[a] > weights[b]; });
  const size_t kept = rule.temperature == 0 ? 1 : kept_count(weights, order, rule);
  for (size_t n = kept; n < order.size(); ++n) weights[order[n]] = 0;
  return weights;
}

int32_t draw(const std::vector<double>& logits, const DrawRule& rule, double uniform) {
  const auto bad = [](double logit) { return std::isnan(logit) || logit == HUGE_VAL; };
  if (std::any_of(logits.begin(), logits.end(), bad)) {
    throw Error(ErrorKind::kNumeric, "sampling", "the model's outputs are not finite",
                "The weights are of a training that diverged, or damaged: `lacuna inspect "
                "checkpoint` shows which");
  }
  const std::vector<double> weights = relative_probabilities(logits, rule);
  double left = uniform * std::accumulate(weights.begin(), weights.end(), 0.0);
  int32_t last = 0;  // the last symbol with any weight: where rounding leaves a remainder
  for (size_t j = 0; j < weights.size(); ++j) {
    if (weights[j] <= 0) continue;
    last = static_cast<int32_t>(j);
    left -= weights[j];
    if (left < 0) break;
  }
  return last;
}

}  // namespace lacuna::train
