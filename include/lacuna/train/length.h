// Lengths as people give them: "300 steps", "2 epochs", "50M tokens".
#pragma once

#include <cstdint>
#include <string>

namespace lacuna::train {

/// What turns epochs and tokens into steps.
struct StepSize {
  int64_t tokens = 1;             // per step
  int64_t samples = 1;            // per step
  int64_t samples_per_epoch = 1;  // windows of the training part
};

/// The number of steps, rounded up. Throws Error(kConfig) naming `option`.
int64_t parse_length(const std::string& text, const StepSize& step, const std::string& option);

}  // namespace lacuna::train
