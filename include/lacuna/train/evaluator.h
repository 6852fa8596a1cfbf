// Bits per unit of one part of a data set, by the metric contract: the mean over every position
// exactly once, no tail dropped, independent of the batch size.
#pragma once

#include <functional>
#include <string>

#include "lacuna/data/dataset.h"
#include "lacuna/data/evaluation_windows.h"
#include "lacuna/train/program.h"

namespace lacuna::train {

/// What is evaluated.
struct EvaluationRequest {
  std::string name;  // of the part
  const Part& part;
  const Medium& medium;
  int64_t min_context = 0;  // every position has that many before it in its window, but at the
                            // start of a stretch; 0: windows stand side by side
  int64_t limit = 0;        // at most so many windows, spread over the part by the seed; 0: all
  uint64_t seed = 0;
  int64_t rank = 0, ranks = 1;  // of so many ranks, which share the windows, this one's share alone
};

struct Evaluation {
  std::string part;  // by name
  double nats = 0;   // sum over the positions, -ln p
  double bits = 0;   // mean over the units of the medium, -log2 p
  int64_t positions = 0;
  int64_t windows = 0;
  int64_t windows_in_part = 0;  // more than `windows` where they were limited
  bool complete = true;         // false: stopped early, `bits` is of the positions so far

  bool limited() const { return complete && windows < windows_in_part; }
  /// From `nats` and `positions`, where there are any.
  void set_bits(const Unit& unit);
};

/// Told now and then how much of something is done.
using Counted = std::function<void(int64_t done, int64_t all)>;
/// Told of each window and of the losses of its positions, in nats: losses[0, window.length).
using Scored = std::function<void(const EvaluationWindow& window, const double* losses)>;

/// `program` evaluates (kEvaluate). A window that is too short is padded, which causality makes
/// harmless; what it is padded with is not scored. Stops between two batches once `stop()` is true;
/// `counted` and `scored`, which may be empty, are told of the windows after each.
/// Throws Error(kConfig) unless 0 <= min_context < context.
Evaluation evaluate(Program& program, const nn::Transformer& model,
                    const EvaluationRequest& request, const std::function<bool()>& stop,
                    const Counted& counted = {}, const Scored& scored = {});

}  // namespace lacuna::train
