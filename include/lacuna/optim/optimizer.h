// Optimizers: what turns gradients into new weights. One file and one line of optimizers.def each.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "lacuna/kernels/step_state.h"
#include "lacuna/nn/parameters.h"

namespace lacuna::optim {

struct OptimizerConfig {
  std::string name = "adamw";
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
  double weight_decay = 0.01;  // of matrices and embeddings, not of biases and gains
};

class Optimizer {
 public:
  virtual ~Optimizer() = default;

  /// What StepInputs::learning_rate must be for the `update`-th update (from 1) at a scheduled
  /// rate.
  virtual double effective_rate(double learning_rate, int64_t update) const = 0;
  /// Updates all values of `parameters` from their gradients, and `averages` (shaped like values(),
  /// or absent) after them. Reads the step's numbers from `state`.
  virtual void update(Queue& queue, const nn::ParameterStore& parameters, const View& averages,
                      const StepState* state) = 0;
  /// The flat buffers that a continued run needs, by name.
  virtual std::vector<std::pair<std::string, View>> buffers() const = 0;
  /// Counts all memory that it holds on the device.
  virtual size_t bytes() const = 0;
};

using OptimizerMaker = std::unique_ptr<Optimizer>(Queue& queue, const OptimizerConfig& config,
                                                  const nn::ParameterStore& parameters);

struct OptimizerEntry {
  const char* name;
  int moments;  // numbers kept for each weight
  const char* description;
  OptimizerMaker* make;
};
std::vector<OptimizerEntry> known_optimizers();

/// Throws Error(kConfig) with the nearest known name for an unknown optimizer.
OptimizerEntry find_optimizer(const std::string& name);
/// The one that the configuration names; throws as find_optimizer does.
std::unique_ptr<Optimizer> make_optimizer(Queue& queue, const OptimizerConfig& config,
                                          const nn::ParameterStore& parameters);

}  // namespace lacuna::optim
