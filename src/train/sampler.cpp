#include "lacuna/train/sampler.h"

#include <algorithm>
#include <cmath>

namespace lacuna::train {
namespace {

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

}  // namespace

int32_t draw(const std::vector<double>& logits, double temperature, double uniform) {
  const auto top = std::max_element(logits.begin(), logits.end());
  if (temperature == 0) return static_cast<int32_t>(top - logits.begin());
  std::vector<double> weights;
  double sum = 0;
  for (const double logit : logits) {
    weights.push_back(std::exp((logit - *top) / temperature));
    sum += weights.back();
  }
  double left = uniform * sum;
  int32_t last = 0;  // the last symbol with any weight: where rounding leaves a remainder
  for (size_t j = 0; j < weights.size(); ++j) {
    if (weights[j] <= 0) continue;
    last = static_cast<int32_t>(j);
    left -= weights[j];
    if (left < 0) break;
  }
  return last;
}

void sample(Program& program, const nn::Transformer& model, const std::vector<int32_t>& prompt,
            const SampleConfig& config, const std::function<bool(int32_t)>& emit) {
  const int64_t context = model.config().context;
  const PhiloxKey key = random_key(config.seed, RandomUse::kSample, 0);
  std::vector<int32_t> text = prompt;
  for (int64_t n = 0; n < config.length; ++n) {
    const auto size = static_cast<int64_t>(text.size());
    if (size >= context) text.erase(text.begin(), text.end() - context / 2);
    std::fill(program.tokens(), program.tokens() + context, 0);
    std::copy(text.begin(), text.end(), program.tokens());
    program.run(model);
    const PhiloxCounter words = random_words(key, static_cast<uint64_t>(n), 0, 0);
    const auto row = static_cast<int64_t>(text.size());
    const int32_t symbol =
        draw(row_of(program.logits(), row), config.temperature, uniform_double(words[0], words[1]));
    text.push_back(symbol);
    if (!emit(symbol)) return;
  }
}

}  // namespace lacuna::train
