// What a run says of itself: before its first step, of its evaluations, and at its end.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lacuna/train/run_folder.h"
#include "lacuna/train/trainer.h"
#include "run_evaluation.h"

namespace lacuna::train {

/// Lines on the data, the model, the length and the memory of a run in `folder`.
std::vector<std::string> run_summary(const Dataset& data, Trainer& trainer,
                                     const std::string& folder);

/// What is allowed and seldom meant: patterns that reach beyond the context, a warm-up that
/// outlasts the run.
std::vector<std::string> run_warnings(const Options& options, const Trainer& trainer);

std::string evaluation_line(int64_t step, const EvaluationRound::Result& result, const Unit& unit);

struct RunEnd {
  int64_t steps = 0;            // done
  double seconds = 0;           // of this process
  bool at_end = false;          // no step is left
  bool evaluation_due = false;  // the last one was not finished
  bool stopped = false;         // by a signal
};
/// How the run ended and, where something is left to do, the commands that do it.
std::string last_line(const RunFolder& folder, const RunEnd& end);

}  // namespace lacuna::train
