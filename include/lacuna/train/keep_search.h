// The fastest way to keep a model's results whose step fits into given bytes, with all of its
// memory packed. docs/recompute.md explains the method.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "lacuna/nn/transformer.h"
#include "lacuna/train/step_seconds.h"

namespace lacuna::train {

struct StepPlan {
  nn::KeptByBlock kept;
  size_t arena = 0;          // bytes of a step's packed arena
  double seconds_again = 0;  // to make again what is not kept, by prediction
};

/// Chooses for training, and for `lacuna plan`, which foretells it.
class KeepSearch {
 public:
  /// For training on `batch` sequences at once. `model` must outlive the search. `seconds` is asked
  /// for once, when a choice depends on them: never to know what fits.
  KeepSearch(const nn::Transformer& model, int64_t batch, std::function<StepSeconds()> seconds);
  ~KeepSearch();

  /// The plan that keeps everything, with no blocks named.
  const StepPlan& everything() const { return everything_; }
  /// The least arena that any of its plans has.
  size_t least() const { return smallest().arena; }
  /// The fastest plan of a fixed set whose arena is at most `bytes`: the set does not depend on
  /// `bytes`, so more bytes never make a plan slower. Absent when there is none.
  std::optional<StepPlan> fastest(size_t bytes) const;

 private:
  class Rungs;
  const StepPlan& smallest() const;

  const nn::Transformer& model_;
  int64_t batch_;
  std::function<StepSeconds()> seconds_;
  StepPlan everything_;
  mutable std::optional<StepPlan> smallest_;  // found by bytes alone, its seconds not told
  mutable std::unique_ptr<Rungs> rungs_;      // those that take seconds
};

/// Bytes of the packed arena of a training step that keeps this.
size_t arena_bytes(const nn::Transformer& model, int64_t batch, const nn::KeptByBlock& kept);

}  // namespace lacuna::train
