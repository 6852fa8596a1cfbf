// How fast large matrix products run on a GPU, measured now: what the FLOP/s of a model are held
// against.
#pragma once

#include "lacuna/tensor/runtime.h"

namespace lacuna::train {

/// FLOP/s of products of 8192^3 in `dtype` on random numbers, the median of nine. Holds about 0.4
/// GiB of the queue's GPU meanwhile, in f32 0.8 GiB. Returns 0 on a CPU, where nothing is measured,
/// and where a GPU has no room for it. Throws DeviceError.
double matrix_rate(const Queue& queue, DType dtype);

}  // namespace lacuna::train
