// How benchmarks time whole training steps.
#pragma once

#include <chrono>
#include <cstdint>

#include "lacuna/cli/command.h"
#include "lacuna/train/trainer.h"

namespace lacuna::cli {

struct StepTimes {
  double first = 0;   // ms, from `constructed` on
  double median = 0;  // ms
};

/// Steps in a row as training makes them: the next one begins before the last one's result is read.
/// Some more than `repeats` warm up. Throws Stopped between two.
StepTimes time_steps(train::Trainer& trainer, int64_t repeats,
                     std::chrono::steady_clock::time_point constructed, const Stop& stop);

}  // namespace lacuna::cli
