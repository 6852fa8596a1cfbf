// Which kernels compute attention, and how they cut it up: a pure function of the tensors, the
// passes and the GPU, so it is tested without one.
#pragma once

#include "attention/plan.h"

namespace lacuna::cuda::attention {

/// Kernels that are written alike: f32 on plain multiply-adds, and 16 bits with mma.sync, which
/// every supported GPU has.
enum class Family : uint8_t { kF32, kGeneral };

/// The three kernels of a family.
enum class Kernel : uint8_t { kForward, kBackwardQueries, kBackwardKeys };

/// What the tensors are.
struct Problem {
  DType dtype;
  int64_t qk, v;  // widths of one head
};

struct Choice {
  Family family;
  int qk, v;  // padded widths: those that the kernel is compiled for
  RowsAre rows;
  Tile tile;

  bool operator==(const Choice&) const = default;
};

Choice choose(Kernel kernel, const Problem& problem);

}  // namespace lacuna::cuda::attention
