// What a run holds in memory, found without a device and without memory: by dry runs over shapes.
#pragma once

#include <memory>

#include "lacuna/nn/transformer.h"
#include "lacuna/optim/optimizer.h"

namespace lacuna::train {

/// A model whose weights have no memory behind them.
class DryModel {
 public:
  /// `config` resolved; `dtype` is what ops compute in.
  DryModel(const nn::ModelConfig& config, DType dtype);

  const nn::Transformer& model() const { return model_; }
  const nn::ParameterStore& parameters() const { return parameters_; }

 private:
  nn::ParameterStore parameters_;
  nn::Transformer model_;
};

/// The memory of a training step on `batch` sequences whose blocks keep this, packed.
MemoryPlan plan_step(const nn::Transformer& model, int64_t batch, const nn::KeptByBlock& kept);

/// That of an evaluation of as many.
MemoryPlan plan_evaluation(const nn::Transformer& model, int64_t batch);

/// What training holds besides the memory that steps, evaluations and samples have in turns:
/// weights, gradients, moments, averages, and the tokens of steps and evaluations.
MemoryUse held_in_training(const DryModel& dry, int64_t batch,
                           const optim::OptimizerConfig& optimizer, bool average);

/// Bytes of the files of a checkpoint but for their headers.
size_t checkpoint_bytes(const DryModel& dry, const optim::OptimizerConfig& optimizer, bool average);

}  // namespace lacuna::train
