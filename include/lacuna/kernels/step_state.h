// What changes from step to step. Contracts point to it, so no contract field ever changes.
#pragma once

#include <cstdint>

#include "lacuna/base/rng.h"

namespace lacuna {

struct StepState {
  PhiloxKey dropout_key{};    // of (seed, step)
  uint64_t first_sample = 0;  // global index of the first sample of this batch
  double learning_rate = 0;   // of this update, bias correction folded in
  double gradient_scale = 1;  // clip factor over everything the gradients were summed over
  double average_decay = 0;   // of the weight average at this update
};

/// Inverted dropout on [B, T, C]: element e of sample s is kept, and divided by 1 - rate, when word
/// e mod 4 of random_words(dropout_key, s, site, e / 4) is at least rate * 2^32.
/// rate 0: nothing is dropped.
struct Dropout {
  double rate = 0;
  uint32_t site = 0;
  const StepState* state = nullptr;
};

}  // namespace lacuna
