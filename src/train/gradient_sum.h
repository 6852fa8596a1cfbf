// The sum of the gradients over the ranks, taken while the backward pass still goes on.
#pragma once

#include <memory>
#include <vector>

#include "lacuna/comm/buckets.h"
#include "lacuna/comm/communicator.h"
#include "lacuna/nn/transformer.h"
#include "lacuna/train/options.h"

namespace lacuna::train {

struct GradientSumConfig {
  double bucket_bytes = 0;  // of gradients, that are added at once; 0: all, after the pass
  bool in_bf16 = false;     // rounded before they are added
  bool parts = false;       // each rank receives the sum of its part alone, after the pass
};

GradientSumConfig gradient_sum_config(const Options& options, const World& world);
/// Where gradients are rounded to be added in bf16; absent where they are not.
Tensor rounded_gradients(const Queue& queue, const nn::ParameterStore& parameters,
                         const GradientSumConfig& config);

class GradientSum {
 public:
  /// All must outlive it. Works on a second queue of the device.
  GradientSum(const Queue& queue, Communicator& communicator, const nn::ParameterStore& parameters,
              int64_t layers, const GradientSumConfig& config);

  /// For the last backward pass of a step (nn::GradientsReady). What is launched on the queue after
  /// that pass sees all sums.
  void ready(int64_t layer);
  /// Of the device, for what is rounded.
  size_t bytes() const { return rounded_.present() ? rounded_.view().bytes() : 0; }

 private:
  void add(int64_t final);
  void sum(const View& x);

  Queue queue_, side_;
  Communicator& communicator_;
  const nn::ParameterStore& parameters_;
  std::vector<int64_t> final_;  // by layer: elements that are final when it is ready
  bool parts_;
  Buckets buckets_;
  Tensor rounded_;  // where they are added in bf16
  std::unique_ptr<Event> launched_, added_;
};

}  // namespace lacuna::train
