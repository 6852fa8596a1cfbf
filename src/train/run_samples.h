// Samples that a run draws on its way.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "lacuna/train/trainer.h"

namespace lacuna::train {

/// Draws what sample_config() says without a prompt, from the averaged weights where there are
/// some; nothing once `stop()` is true. `counted` is told of each symbol. The state of the run
/// stays as it is. The trainer must have a sampler.
std::optional<std::vector<std::vector<int32_t>>> draw_samples(Trainer& trainer,
                                                              const std::function<bool()>& stop,
                                                              const Counted& counted);

}  // namespace lacuna::train
