// Tensor maps for the copy engine, made anew for each launch: they hold the addresses of its
// tensors.
#pragma once

#include "attention/arguments_sm90.h"
#include "attention/device_plan.h"

namespace lacuna::cuda::attention {

/// `plan` was made for a tile of the Hopper kernels, and the rows are `wide`. Throws
/// Error(kInternal) when the driver refuses.
template <class T>
Sm90Maps sm90_maps(const DevicePlan& plan, const ForwardArguments<T>& arguments);

}  // namespace lacuna::cuda::attention
