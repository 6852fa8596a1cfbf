// What `lacuna eval` has found, as text for people and as JSON for programs (docs/metrics.md).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lacuna/train/evaluator.h"
#include "lacuna/train/saved_run.h"
#include "lacuna/train/trainer.h"

namespace lacuna::cli {

struct EvalResult {
  train::Weights weights;
  std::unique_ptr<train::SavedRun> run;
  train::Evaluation evaluation;
};

struct EvalReport {
  std::string folder;  // of the run or checkpoint
  std::string part;    // by name
  int64_t min_context;
  std::vector<EvalResult> results;          // of one model, on the same windows
  std::string data;                         // identity
  std::optional<std::string> trained_data;  // identity, where it is known
};

/// There is at least one result.
std::string report_text(const EvalReport& report, const Dataset& data);
std::string report_json(const EvalReport& report, const Part& part);

}  // namespace lacuna::cli
