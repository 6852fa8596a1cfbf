#include "lacuna/train/evaluator.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace lacuna::train {
namespace {

// The share of a rank: neighbours.
std::vector<EvaluationWindow> share_of_rank(const std::vector<EvaluationWindow>& windows,
                                            int64_t rank, int64_t ranks) {
  const auto count = static_cast<int64_t>(windows.size());
  return {windows.begin() + count * rank / ranks, windows.begin() + count * (rank + 1) / ranks};
}

}  // namespace

void Evaluation::set_bits(const Unit& unit) {
  if (positions == 0) return;
  // In this order, so that the bits of one symbol each are what they always were.
  bits =
      nats / static_cast<double>(positions) / std::numbers::ln2 * static_cast<double>(unit.symbols);
}

Evaluation evaluate(Program& program, const nn::Transformer& model,
                    const EvaluationRequest& request, const std::function<bool()>& stop,
                    const Counted& counted, const Scored& scored) {
  const int64_t context = model.config().context, batch = program.batch();
  auto windows =
      evaluation_windows(request.part, request.medium.grid(), context, request.min_context);
  Evaluation result{.part = request.name, .windows_in_part = static_cast<int64_t>(windows.size())};
  if (request.limit > 0) windows = spread_windows(windows, request.limit, request.seed);
  const auto of_all_ranks = static_cast<int64_t>(windows.size());
  if (request.ranks > 1) windows = share_of_rank(windows, request.rank, request.ranks);
  for (size_t first = 0; first < windows.size(); first += static_cast<size_t>(batch)) {
    if (stop()) {
      result.complete = false;
      break;
    }
    const size_t count = std::min(windows.size() - first, static_cast<size_t>(batch));
    std::fill(program.tokens(), program.tokens() + batch * context, 0);
    for (size_t row = 0; row < count; ++row) {
      const EvaluationWindow& window = windows[first + row];
      request.part.read(window.begin, window.length,
                        program.tokens() + static_cast<int64_t>(row) * context);
    }
    program.run(model);
    const double* all = program.losses();
    for (size_t row = 0; row < count; ++row) {
      const EvaluationWindow& window = windows[first + row];
      const double* losses = all + static_cast<int64_t>(row) * context;
      for (int64_t t = window.score_begin; t < window.length; ++t) result.nats += losses[t];
      if (scored) scored(window, losses);
      result.positions += window.length - window.score_begin;
      ++result.windows;
    }
    // The other ranks are about as far.
    if (counted) counted(std::min(result.windows * request.ranks, of_all_ranks), of_all_ranks);
  }
  result.set_bits(request.medium.unit());
  return result;
}

}  // namespace lacuna::train
