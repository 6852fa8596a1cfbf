#include "lacuna/train/evaluator.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "lacuna/base/error.h"
#include "lacuna/base/text.h"
#include "lacuna/data/evaluation_windows.h"

namespace lacuna::train {

Evaluation evaluate(Program& program, const nn::Transformer& model, const Dataset& data,
                    Split split, int64_t min_context, const std::function<bool()>& stop,
                    const Counted& counted) {
  const int64_t context = model.config().context, batch = program.batch();
  if (min_context % data.alignment() != 0) {
    throw Error(ErrorKind::kConfig, "minimum context",
                str(min_context, " is not a multiple of ", data.alignment(),
                    ", where the windows of this data set begin"));
  }
  const auto windows = evaluation_windows(data.size(split), context, min_context);
  Evaluation result{.split = split};
  for (size_t first = 0; first < windows.size(); first += static_cast<size_t>(batch)) {
    if (stop()) {
      result.complete = false;
      break;
    }
    const size_t count = std::min(windows.size() - first, static_cast<size_t>(batch));
    std::fill(program.tokens(), program.tokens() + batch * context, 0);
    for (size_t row = 0; row < count; ++row) {
      const EvaluationWindow& window = windows[first + row];
      data.read(split, window.begin, window.length,
                program.tokens() + static_cast<int64_t>(row) * context);
    }
    program.run(model);
    const double* all = program.losses();
    for (size_t row = 0; row < count; ++row) {
      const EvaluationWindow& window = windows[first + row];
      const double* losses = all + static_cast<int64_t>(row) * context;
      for (int64_t t = window.score_begin; t < window.length; ++t) result.nats += losses[t];
      result.positions += window.length - window.score_begin;
      ++result.windows;
    }
    if (counted) counted(result.windows, static_cast<int64_t>(windows.size()));
  }
  if (result.positions > 0) {
    result.bits = result.nats / static_cast<double>(result.positions) / std::numbers::ln2;
  }
  return result;
}

}  // namespace lacuna::train
