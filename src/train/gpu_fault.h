// What to say when the GPU fails in the middle of a run.
#pragma once

#include "lacuna/tensor/device_error.h"
#include "lacuna/train/trainer.h"

namespace lacuna::train {

/// `fault` with the place that the device had come to when it failed. A fault shows at whatever is
/// asked of the device next, so what was being done then says little.
Error gpu_fault(const DeviceError& fault, const Trainer& trainer);

}  // namespace lacuna::train
