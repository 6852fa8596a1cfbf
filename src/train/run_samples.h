// Samples that a run writes on its way, into samples/.
#pragma once

#include <functional>

#include "lacuna/train/run_folder.h"
#include "lacuna/train/trainer.h"

namespace lacuna::train {

/// Draws without a prompt, from the averaged weights where there are some: a text or sound of
/// options.train.sample_length symbols, or options.train.sample_count whole pictures. Writes them
/// as one file of the data's medium, such as samples/step-N.txt. Nothing is written once `stop()`
/// is true; `counted` is told of each symbol. The state of the run stays as it is. Throws
/// Error(kIo).
void write_sample(const RunFolder& folder, const Options& options, Trainer& trainer,
                  const std::function<bool()>& stop, const Counted& counted);

}  // namespace lacuna::train
