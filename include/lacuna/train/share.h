// How the ranks that train together divide a step among themselves.
#pragma once

#include <cstdint>

#include "lacuna/comm/world.h"
#include "lacuna/train/options.h"

namespace lacuna::train {

/// What one rank does of the train.batch * train.accumulation samples of a step.
struct Share {
  int64_t batch = 1;          // samples of a micro-batch
  int64_t micro_batches = 1;  // whose gradients it adds up
  int64_t first = 0;          // its first sample, counted from the step's first
};

/// R ranks divide the accumulation, and what is left of R divides the batch; all do the same
/// amount, and the samples of a rank are neighbours. A pure function. Throws Error(kConfig), with
/// the nearest numbers that would do, where that leaves a remainder.
Share share_of(const Options& options, const World& world);

}  // namespace lacuna::train
