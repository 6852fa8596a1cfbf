// A whole training run: the trainer with its folder, its log and the line at the terminal.
#pragma once

#include <functional>
#include <string>

#include "lacuna/train/options.h"

namespace lacuna::train {

/// Trains, evaluates the validation part at intervals and at the end, and saves the weights.
/// `options.train.run` names the folder. Once `stop()` is true the step at hand is finished, the
/// weights are saved and the function returns. Nothing is written before everything that can be
/// wrong with options and data has been checked. Throws Error.
void run_training(Options options, bool overwrite, const std::function<bool()>& stop);

}  // namespace lacuna::train
