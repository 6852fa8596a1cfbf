// Samples that a run draws on its way.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "lacuna/train/trainer.h"

namespace lacuna::train {

/// Draws what sample_config() says, each sample of `length` symbols, without a prompt, from the
/// averaged weights where there are some. All ranks share the samples and get all of them; nothing
/// once `stop()` is true on one. `counted` is told of each symbol of this rank's share. The state
/// of the run stays as it is.
std::optional<std::vector<std::vector<int32_t>>> draw_samples(Trainer& trainer, int64_t length,
                                                              const std::function<bool()>& stop,
                                                              const Counted& counted);

}  // namespace lacuna::train
