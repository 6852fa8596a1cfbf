// Matrix products by cuBLASLt.
#pragma once

#include "lacuna/tensor/runtime.h"

namespace lacuna::cuda {

/// An operand as it is stored, row-major; `transposed`: the product takes its transpose.
struct Operand {
  View stored;
  bool transposed = false;
};

/// d = a b + bias + beta * d. a: [m, k], b: [k, n] after transposition; d: [m, n]; bias: [n] of d's
/// type, or absent. a and b of one type; d of that type or f32. Sums are f32 (with inputs rounded
/// to tf32 where the queue says so). The algorithm is the first that cuBLASLt proposes for the
/// shapes and the queue's workspace, so the same call gives the same bits.
void gemm(Queue& queue, const Operand& a, const Operand& b, const View& d, const View& bias = {},
          float beta = 0);

}  // namespace lacuna::cuda
