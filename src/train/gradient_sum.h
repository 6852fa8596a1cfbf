// The sum of the gradients over the ranks, taken while the backward pass still goes on.
#pragma once

#include <memory>
#include <vector>

#include "lacuna/comm/buckets.h"
#include "lacuna/comm/communicator.h"
#include "lacuna/nn/transformer.h"

namespace lacuna::train {

class GradientSum {
 public:
  /// All must outlive it. Works on a second queue of the device.
  GradientSum(const Queue& queue, Communicator& communicator, const nn::ParameterStore& parameters,
              int64_t layers);

  /// For the last backward pass of a step (nn::GradientsReady). What is launched on the queue after
  /// that pass sees all sums.
  void ready(int64_t layer);

 private:
  void finish();
  void add(int64_t final);

  Queue queue_, side_;
  Communicator& communicator_;
  const nn::ParameterStore& parameters_;
  std::vector<int64_t> final_;  // by layer: elements that are final when it is ready
  Buckets buckets_;
  std::unique_ptr<Event> launched_, added_;
};

}  // namespace lacuna::train
