// Optimizers: what turns gradients into new weights. One file and one line of optimizers.def each.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "lacuna/kernels/flat_range.h"
#include "lacuna/nn/parameters.h"

namespace lacuna::optim {

struct OptimizerConfig {
  std::string name = "adamw";
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
  double weight_decay = 0.01;  // of matrices and embeddings, not of biases and gains
  bool bf16_moments = false;   // else moments are of the type of the weights
};

/// What moments of weights of type `weights` are stored in.
constexpr DType moment_type(const OptimizerConfig& config, DType weights) {
  return config.bf16_moments ? DType::kBF16 : weights;
}

/// Elements [begin, begin + count) of the parameters; `begin` is a multiple of kDecayGroup.
/// `averages` is shaped like values(), or absent.
FlatRange range_of(const nn::ParameterStore& parameters, const View& averages, int64_t begin,
                   int64_t count);
/// All of them.
inline FlatRange range_of(const nn::ParameterStore& parameters, const View& averages) {
  return range_of(parameters, averages, 0, parameters.flat_count());
}

/// Elements [begin, begin + count) of the flat buffers; `begin` is a multiple of kDecayGroup.
struct FlatPart {
  int64_t begin = 0, count = 0;
};
inline FlatPart whole_of(const nn::ParameterStore& parameters) {
  return {0, parameters.flat_count()};
}

class Optimizer {
 public:
  virtual ~Optimizer() = default;

  /// Updates one range of the part that it was made for from its gradients; ranges may come in any
  /// order. Reads the step's numbers from `state`: the scheduled rate, which update it is,
  /// the scale of the gradients. May be recorded, so it must not allocate: memory that it works in
  /// it takes when it is made.
  virtual void update(Queue& queue, const FlatRange& range, const StepState* state) = 0;
  /// The flat buffers that a continued run needs, by name; of its part alone.
  virtual std::vector<std::pair<std::string, View>> buffers() const = 0;
  /// Counts all memory that it holds on the device.
  virtual size_t bytes() const = 0;
};

using OptimizerMaker = std::unique_ptr<Optimizer>(Queue& queue, const OptimizerConfig& config,
                                                  const nn::ParameterStore& parameters,
                                                  const FlatPart& part);

/// What options are where a configuration does not give them.
struct UsualValues {
  double learning_rate, beta1, beta2, weight_decay;
};

struct OptimizerEntry {
  const char* name;
  int moments;  // numbers kept for each weight
  UsualValues usual;
  const char* description;
  OptimizerMaker* make;
};
std::vector<OptimizerEntry> known_optimizers();

/// Throws Error(kConfig) with the nearest known name for an unknown optimizer.
OptimizerEntry find_optimizer(const std::string& name);
/// The one that the configuration names, for a part of the parameters; throws as find_optimizer
/// does.
std::unique_ptr<Optimizer> make_optimizer(Queue& queue, const OptimizerConfig& config,
                                          const nn::ParameterStore& parameters,
                                          const FlatPart& part);
/// For all of them.
inline std::unique_ptr<Optimizer> make_optimizer(Queue& queue, const OptimizerConfig& config,
                                                 const nn::ParameterStore& parameters) {
  return make_optimizer(queue, config, parameters, whole_of(parameters));
}

}  // namespace lacuna::optim
