// Moments in bf16. What an optimizer computes is rounded at random when it is stored, up or down
// with the probabilities that keep the mean. To the nearest, a moment that moves by less than half
// a step of bf16, 1/512 of it at least, would stay where it is: with beta2 = 0.999 a variance would
// never shrink.
#pragma once

#include "lacuna/kernels/step_state.h"

namespace lacuna {

/// Rounds elements [4 * block, 4 * block + 4) of the flat buffers: a word each, whose lower half is
/// for the first moment and whose upper half for the second.
constexpr PhiloxCounter rounding_words(const StepInputs& inputs, int64_t block) {
  return random_words(inputs.rounding_key, static_cast<uint64_t>(block), 0, 0);
}

/// From the bits of an f32 those of a bf16: the neighbour towards 0 or, with the probability of
/// what that cuts off, the one away from it. `random` is uniform in [0, 2^16). NaN and infinity
/// stay.
constexpr uint16_t rounded_at_random(uint32_t bits, uint32_t random) {
  const bool nan = (bits & 0x7FFFFFFFU) > 0x7F800000U;
  return static_cast<uint16_t>((nan ? bits | 0x400000U : bits + random) >> 16);
}

}  // namespace lacuna
