// Which kernels compute attention, and how they cut it up: a pure function of the tensors, the
// passes and the GPU, so it is tested without one.
#pragma once

#include "lacuna/tensor/gpus.h"
#include "plan.h"

namespace lacuna::cuda::attention {

/// Kernels that are written alike: f32 on plain multiply-adds; 16 bits with mma.sync, which every
/// supported GPU has; and with wgmma and bulk copies, on Hopper.
enum class Family : uint8_t { kF32, kGeneral, kSm90 };

/// The three kernels of a family.
enum class Kernel : uint8_t { kForward, kBackwardQueries, kBackwardKeys };

/// What the tensors are, and where.
struct Problem {
  DType dtype;
  int64_t qk, v;        // widths of one head
  bool aligned = true;  // all rows start at multiples of 16 bytes, and are multiples of it long
  int capability = 0;   // of the GPU: 90 for 9.0
};

struct Choice {
  Family family;
  int qk, v;  // padded widths: those that the kernel is compiled for
  RowsAre rows;
  Tile tile;

  bool operator==(const Choice&) const = default;
};

/// The family made for the GPU where it can compute this and is `wanted`, else the one that can.
Choice choose(Kernel kernel, const Problem& problem, const HeadPasses& passes,
              AttentionKernels wanted);

}  // namespace lacuna::cuda::attention
