// The affine layer for few rows, each by itself.
#pragma once

#include "lacuna/kernels/linear.h"

namespace lacuna::cuda {

/// LinearForward with rows_alone.
void linear_rows(Queue& queue, const LinearForward& op);

}  // namespace lacuna::cuda
