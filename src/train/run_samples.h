// Samples that a run writes on its way, into samples/.
#pragma once

#include <functional>

#include "lacuna/train/run_folder.h"
#include "lacuna/train/trainer.h"

namespace lacuna::train {

/// Draws what sample_config() says without a prompt, from the averaged weights where there are
/// some. Writes it as one file of the data's medium, such as samples/step-N.txt. Nothing is written
/// once `stop()` is true; `counted` is told of each symbol. The state of the run stays as it is.
/// The trainer must have a sampler. Throws Error(kIo).
void write_sample(const RunFolder& folder, const Medium& medium, Trainer& trainer,
                  const std::function<bool()>& stop, const Counted& counted);

}  // namespace lacuna::train
