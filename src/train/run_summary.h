// What a run says of itself before its first step.
#pragma once

#include <string>
#include <vector>

#include "lacuna/train/trainer.h"

namespace lacuna::train {

/// Lines on the data, the model, the length and the memory of a run in `folder`.
std::vector<std::string> run_summary(const Dataset& data, Trainer& trainer,
                                     const std::string& folder);

}  // namespace lacuna::train
