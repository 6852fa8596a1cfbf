// What LinearForward and LinearBackward do on a GPU besides their matrix products: each one pass
// over the rows. By themselves here so that they can be timed and tested. Only in builds with CUDA.
// z, y, dy: bf16, f16 or f32, contiguous; dbias: [O] f32, accumulated in an order that does not
// depend on how blocks run.
#pragma once

#include "lacuna/tensor/runtime.h"

namespace lacuna::cuda {

/// y = z * sigmoid(1.702 z), overwritten; y may be the same memory as z. Same type and count.
void quick_gelu_forward(const Queue& queue, const View& z, const View& y);

/// dy, the gradient of y, is overwritten by that of z, and dbias, unless absent, gets its column
/// sums. z, dy: [N, O].
void quick_gelu_backward(const Queue& queue, const View& z, const View& dy, const View& dbias);

/// dbias += column sums of dz: [N, O].
void add_column_sums(const Queue& queue, const View& dz, const View& dbias);

}  // namespace lacuna::cuda
