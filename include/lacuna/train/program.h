// A program: a model run on one fixed shape, with all of its memory planned beforehand.
#pragma once

#include <memory>
#include <optional>

#include "lacuna/nn/transformer.h"

namespace lacuna::train {

class Program {
 public:
  /// kTrain runs forward and backward and accumulates the gradient of gradient_scale * sum(losses);
  /// kEvaluate runs forward only. The memory is planned here and taken with the first run().
  Program(const nn::Transformer& model, int64_t batch, Tape::Mode mode, double gradient_scale = 1);

  /// [B, T], to be filled before each run with tokens in [0, V).
  int32_t* tokens() { return tokens_.view().data<int32_t>(); }
  StepState& state() { return state_; }
  int64_t batch() const { return tokens_.shape()[0]; }

  /// `model` has the configuration of the one that was planned for; its weights may differ.
  void run(Queue& queue, const nn::Transformer& model);

  /// Of the last run, in nats, [B*T].
  const double* losses() const { return losses_.view().data<double>(); }
  /// Of the last run, [B, T, V]; only after kEvaluate.
  const View& logits() const { return logits_.value; }

  /// What run() holds at its fullest, with the gaps that packing left as workspace.
  MemoryUse memory() const;

 private:
  void pass(Queue& queue, Arena& arena, const nn::Transformer& model);

  Tape::Mode mode_;
  double gradient_scale_;
  StepState state_;
  Tensor tokens_;
  MemoryPlan plan_;
  std::optional<Arena> arena_;
  Tensor losses_;
  Variable logits_;
};

}  // namespace lacuna::train
