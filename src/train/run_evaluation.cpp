#include "run_evaluation.h"

#include <algorithm>

namespace lacuna::train {

bool EvaluationRound::limited() const {
  return complete && std::any_of(results.begin(), results.end(),
                                 [](const Result& result) { return result.evaluation.limited(); });
}

int64_t evaluated_symbols(const Options& options, const Dataset& data, int64_t limit) {
  int64_t symbols = 0;
  for (const ValidationSet& set : data.valid()) {
    const int64_t size = set.part->size(), context = options.model.context;
    symbols += limit > 0 && limit < size / context ? limit * context : size;
  }
  return symbols;
}

EvaluationRound evaluate_all(Trainer& trainer, const Dataset& data, int64_t limit,
                             const std::function<bool()>& stop, const Counted& counted) {
  std::vector<Weights> kinds{Weights::kRaw};
  if (trainer.has_average()) kinds.push_back(Weights::kAverage);
  std::vector<const ValidationSet*> sets;
  int64_t all = 0, before = 0;  // windows
  for (const ValidationSet& set : data.valid()) {
    if (set.part->size() == 0) continue;
    sets.push_back(&set);
    const auto windows = static_cast<int64_t>(
        evaluation_windows(*set.part, data.medium().grid(), trainer.model().config().context, 0)
            .size());
    all += static_cast<int64_t>(kinds.size()) * (limit > 0 ? std::min(limit, windows) : windows);
  }
  EvaluationRound round;
  for (const ValidationSet* set : sets) {
    for (const Weights weights : kinds) {
      const auto count = [&](int64_t done, int64_t) { counted(before + done, all); };
      const Evaluation result = trainer.evaluate(*set, weights, limit, stop, count);
      round.complete = result.complete;
      if (!round.complete) return round;
      before += result.windows;
      round.results.push_back({weights, result, set->part->floor_bits()});
    }
    if (set == sets.front()) round.judged_bits = round.results.back().evaluation.bits;
  }
  return round;
}

}  // namespace lacuna::train
