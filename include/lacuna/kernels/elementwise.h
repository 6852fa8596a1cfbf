// Ops on flat memory. Views are contiguous.
#pragma once

#include "lacuna/kernels/launch.h"
#include "lacuna/tensor/view.h"

namespace lacuna {

/// y = x in the type of y, overwritten; among f64, f32, bf16, f16. Same count. From f64 to bf16 and
/// f16 by way of f32, so rounded twice.
struct Convert {
  View x, y;
};

/// y += x, accumulated. Same type and count; f64 or f32, on a GPU also bf16 or f16, where the sum
/// is rounded once.
struct Accumulate {
  View x, y;
};

/// y = 0, overwritten.
struct Zero {
  View y;
};

/// sum = sum of x^2, overwritten; x: f64 or f32; sum: [1] f64. Independent of the thread count.
struct SquaredNorm {
  View x, sum;
};

namespace cpu {
void run(Backend, Queue& queue, const Convert& op);
void run(Backend, Queue& queue, const Accumulate& op);
void run(Backend, Queue& queue, const Zero& op);
void run(Backend, Queue& queue, const SquaredNorm& op);
}  // namespace cpu

namespace cuda {
void run(Backend, Queue& queue, const Convert& op);
void run(Backend, Queue& queue, const Accumulate& op);
void run(Backend, Queue& queue, const Zero& op);
void run(Backend, Queue& queue, const SquaredNorm& op);
}  // namespace cuda

}  // namespace lacuna
