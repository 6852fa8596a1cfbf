// Plans on the device: made and uploaded once for each set of passes, length and tile, and kept
// with the queue.
#pragma once

#include "attention/arguments.h"
#include "attention/choice.h"
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

}  // namespace lacuna::cuda::attention
