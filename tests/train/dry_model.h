// A model whose weights have no memory behind them, for tests of what is planned.
#pragma once

#include "lacuna/nn/transformer.h"

namespace lacuna {

class DryModel {
 public:
  /// `config` resolved.
  explicit DryModel(const nn::ModelConfig& config)
      : parameters_(Queue::dry(), nn::parameter_specs(config), DType::kF32, true),
        model_(config, parameters_) {}

  const nn::Transformer& model() const { return model_; }
  const nn::ParameterStore& parameters() const { return parameters_; }

  /// The memory of a training step on `batch` sequences whose blocks keep this.
  MemoryPlan plan_step(int64_t batch, const nn::KeptByBlock& kept) const {
    Queue queue = Queue::dry();
    Arena recorder;
    const View tokens(nullptr, DType::kI32, {batch, model_.config().context});
    StepState state;
    Tape tape(queue, recorder, Tape::Mode::kRecord);
    Variable logits = model_.logits(tape, tokens, &state, kept);
    const Tensor losses = ops::cross_entropy(tape, logits, tokens, 1, &state);
    logits = {};
    tape.backward();
    return recorder.plan();
  }

 private:
  nn::ParameterStore parameters_;
  nn::Transformer model_;
};

}  // namespace lacuna
