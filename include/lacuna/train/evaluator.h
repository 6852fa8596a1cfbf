// Bits per symbol of one part of a data set, by the metric contract: the mean over every position
// exactly once, no tail dropped, independent of the batch size.
#pragma once

#include <functional>

#include "lacuna/data/dataset.h"
#include "lacuna/train/program.h"

namespace lacuna::train {

struct Evaluation {
  Split split = Split::kValid;
  double nats = 0;  // sum over all positions, -ln p
  double bits = 0;  // mean over all positions, -log2 p
  int64_t positions = 0;
  int64_t windows = 0;
  bool complete = true;  // false: stopped early, `bits` is of the positions so far
};

/// Told now and then how much of something is done.
using Counted = std::function<void(int64_t done, int64_t all)>;

/// `program` evaluates (kEvaluate). Every position has at least `min_context` before it in its
/// window, but at the start of the part; 0: windows stand side by side. A window that is too short
/// is padded, which causality makes harmless. Stops between two batches once `stop()` is true;
/// `counted`, which may be empty, is told of the windows after each.
/// Throws Error(kConfig) unless 0 <= min_context < context.
Evaluation evaluate(Program& program, const nn::Transformer& model, const Dataset& data,
                    Split split, int64_t min_context, const std::function<bool()>& stop,
                    const Counted& counted = {});

}  // namespace lacuna::train
