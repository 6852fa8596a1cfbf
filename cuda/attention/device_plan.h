// Plans on the device: made and uploaded once for each set of passes, length and tile, and kept
// with the queue.
#pragma once

#include "attention/arguments.h"
#include "attention/choice.h"
#include "attention/pair_plan.h"
#include "queue.h"

namespace lacuna::cuda::attention {

struct DevicePlan {
  Tensor memory;
  const Item* items;
  const Segment* segments;
  const Walk* walks;
  const Span* spans;
  std::vector<Walk> walks_on_host;
  std::vector<Extents> extents;  // of the walks
  std::vector<Stage> stages;
  bool covers;

  Work stage(size_t index, int64_t batch, int64_t length, int64_t heads) const;
};

const DevicePlan& device_plan(GpuStream& stream, const HeadPasses& passes, int64_t length,
                              const Choice& choice);

/// The same of a PairPlan.
struct DevicePairPlan {
  Tensor memory;
  const PairItem* items;
  const PairSegment* segments;
  const Span* spans;
  PairPlan plan;  // its long tables are empty: they are on the device
};

/// For both backward kernels of that family and tile.
const DevicePairPlan& device_pair_plan(GpuStream& stream, const HeadPasses& passes, int64_t length,
                                       const Choice& choice);

}  // namespace lacuna::cuda::attention
