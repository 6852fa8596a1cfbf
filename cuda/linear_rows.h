// The affine layer for few rows, each by itself.
#pragma once

#include "lacuna/kernels/linear.h"

namespace lacuna::cuda {

/// y = x W^T + b as LinearForward says, without its activation; the bits of a row depend on that
/// row alone, whatever the number of rows.
void linear_rows(Queue& queue, const View& x, const View& weight, const View& bias, const View& y);

}  // namespace lacuna::cuda
