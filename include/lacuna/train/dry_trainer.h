// A trainer without a device, data and memory: what training would hold, found by running it over
// shapes.
#pragma once

#include <memory>
#include <optional>

#include "lacuna/nn/transformer.h"
#include "lacuna/optim/optimizer.h"
#include "lacuna/train/options.h"
#include "lacuna/train/run_memory.h"
#include "lacuna/train/share.h"

namespace lacuna::train {

class DryTrainer {
 public:
  /// `config`, resolved, stands in the place of the options of the model; `dtype` is what ops
  /// store. It is one of the ranks of `world`; what their library takes is not counted. Throws
  /// Error(kConfig) where the device cannot run it or the ranks cannot share the step.
  DryTrainer(const Options& options, const nn::ModelConfig& config, const RunDevice& device,
             DType dtype, const World& world = {});

  const nn::Transformer& model() const { return model_; }
  const Share& share() const { return share_; }
  int64_t batch() const { return share_.batch; }  // of a pass
  /// Elements that ranks add over each other in a step.
  int64_t gradients() const { return parameters_.flat_count(); }
  /// Without a step: what a trainer holds, and what its evaluations and samples need.
  const RunMemory& around_steps() const { return around_; }
  /// With a step whose blocks keep this.
  RunMemory memory(const nn::KeptByBlock& kept) const;
  /// All bytes that the process holds when a step takes so many of the block.
  size_t bytes_with(size_t arena) const;
  /// What of `bytes` is left for the block.
  size_t room_in(size_t bytes) const;
  /// Bytes of the files of a checkpoint but for their headers.
  size_t checkpoint_bytes() const;

 private:
  std::vector<Need> needs_around(const Options& options, const World& world) const;
  size_t held() const;

  RunDevice device_;
  Share share_;
  nn::ParameterStore parameters_;
  nn::Transformer model_;
  std::optional<nn::ParameterStore> averages_;
  std::unique_ptr<optim::Optimizer> optimizer_;
  RunMemory around_;
};

}  // namespace lacuna::train
