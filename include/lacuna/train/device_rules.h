// What a device asks of a run, whether or not this machine has such a device.
#pragma once

#include <string>

#include "lacuna/nn/transformer.h"
#include "lacuna/train/options.h"

namespace lacuna::train {

/// train.precision with "auto" replaced by what a GPU or a CPU prefers. Throws Error(kConfig) when
/// it cannot train in it.
std::string precision_on(const Options& options, bool gpu);
/// Throws Error(kConfig) where no GPU can run the model on `batch` sequences at once.
void check_supported_on_gpu(const nn::ModelConfig& model, int64_t batch);

}  // namespace lacuna::train
