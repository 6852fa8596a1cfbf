// What the contracts of all optimizers share: the range of the flat buffers that one launch
// updates, how its weights end, and how moments are rounded.
#pragma once

#include "lacuna/kernels/step_state.h"
#include "lacuna/tensor/view.h"

namespace lacuna {

/// Weight decay is switched for groups of so many elements; a range begins with a group.
inline constexpr int64_t kDecayGroup = 16;

/// Elements [begin, begin + n) of the flat buffers, all views [n]. Every optimizer's kernel goes on
/// from a new weight, while it is at hand, with
///   average = average_decay*average + (1-average_decay)*weight;  rounded = weight.
struct FlatRange {
  View weight, gradient;  // f64 or f32
  View average;           // like weight, or absent
  View rounded;           // bf16 or f16, or absent
  int64_t begin = 0;      // a multiple of kDecayGroup
};

}  // namespace lacuna
