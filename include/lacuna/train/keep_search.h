// The fastest way to keep a model's results whose step fits into given bytes, with all of its
// memory packed. docs/recompute.md explains the method.
#pragma once

#include <map>
#include <optional>

#include "lacuna/nn/transformer.h"
#include "lacuna/train/step_seconds.h"

namespace lacuna::train {

struct StepPlan {
  nn::KeptByBlock kept;
  size_t arena = 0;          // bytes of a step's packed arena
  double seconds_again = 0;  // to make again what is not kept, by prediction
};

class KeepSearch {
 public:
  /// For training on `batch` sequences at once. `model` must outlive the search.
  KeepSearch(const nn::Transformer& model, int64_t batch, const StepSeconds& seconds);

  /// The fastest plan of a fixed set whose arena is at most `bytes`: the set does not depend on
  /// `bytes`, so more bytes never make a plan slower. Absent when there is none.
  std::optional<StepPlan> fastest(size_t bytes) const;
  /// The one that needs least, and the one that keeps everything.
  const StepPlan& smallest() const { return smallest_; }
  const StepPlan& everything() const { return everything_; }

 private:
  StepPlan packed(const nn::KeepPlan& plan) const;
  const StepPlan& rung(int index) const;

  const nn::Transformer& model_;
  int64_t batch_;
  nn::ChainCosts costs_;
  size_t lowest_, highest_;  // live bytes of the first and of the last rung
  StepPlan smallest_, everything_;
  mutable std::map<int, StepPlan> rungs_;  // those that have been asked for
};

/// Bytes of the packed arena of a training step that keeps this.
size_t arena_bytes(const nn::Transformer& model, int64_t batch, const nn::KeptByBlock& kept);

}  // namespace lacuna::train
