// A plan as people and programs read it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lacuna/io/drawing.h"
#include "lacuna/train/keep_search.h"
#include "lacuna/train/what_fits.h"
#include "target.h"

namespace lacuna::cli {

/// One budget and the plan for it.
struct CurvePoint {
  size_t budget = 0;     // bytes of the process
  size_t bytes = 0;      // that the plan takes of it
  train::StepPlan plan;  // seconds_again: of a micro-batch
  double seconds = 0;    // of a step
};

struct PlanPage {
  std::string config_file;
  const Target& target;
  const train::Setting& setting;
  const train::DryTrainer& dry;
  double sums_seconds = 0;  // of a step: adding over the GPUs, in the seconds of all points
  size_t budget = 0;
  CurvePoint chosen;
  double everything_seconds = 0;     // a step that keeps everything
  size_t least = 0, everything = 0;  // bytes
  std::optional<int64_t> steps;      // of the run; absent where that depends on data
  train::Fits fits;
  std::vector<CurvePoint> curve;  // from `least` to `everything`

  int64_t gpus() const { return setting.world.size; }
  double speed() const;     // of all GPUs, as a share of `gpus()` times one with the same share
  int64_t samples() const;  // of a step, all GPUs together
  int64_t tokens() const;   // of a step
  double flops() const;     // of a step
  MemoryUse use() const;    // of the chosen plan, without the context
};

std::string page_text(const PlanPage& page);
std::string page_json(const PlanPage& page);
/// Seconds of a step over the budget.
Drawing page_picture(const PlanPage& page);

}  // namespace lacuna::cli
