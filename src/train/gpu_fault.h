// What to say when the GPU fails in the middle of a run.
#pragma once

#include "lacuna/tensor/device_error.h"
#include "lacuna/train/trainer.h"

namespace lacuna::train {

/// The last place that the device noted, such as "step 12, backward pass, layer 3 of 30". Any
/// thread may ask.
std::string progress_text(const Trainer& trainer);

/// The same as what one can be at, such as "the work after step 12".
std::string whereabouts(const Trainer& trainer);

/// `fault` with the place that the device had come to when it failed. A fault shows at whatever is
/// asked of the device next, so what was being done then says little.
Error gpu_fault(const DeviceError& fault, const Trainer& trainer);

}  // namespace lacuna::train
