// Dropout on the device: the bits of Dropout's formula (kernels/step_state.h).
#pragma once

#include "lacuna/kernels/step_state.h"

namespace lacuna::cuda {

/// What of a Dropout the threads of a launch share.
struct DropoutLaunch {
  uint32_t threshold;
  float scale;
  uint32_t site;
  const StepState* state;

  explicit DropoutLaunch(const Dropout& dropout)
      : threshold(static_cast<uint32_t>(dropout.rate * 0x1p32)),
        scale(static_cast<float>(1 / (1 - dropout.rate))),
        site(dropout.site),
        state(dropout.state) {}
};

/// Bit i: element + i of a sample is kept, for kCount elements, where kCount is 1 or a multiple of
/// 4, as then is `element`. sample: its global index.
template <int kCount>
__device__ unsigned kept_elements(const DropoutLaunch& dropout, PhiloxKey key, uint64_t sample,
                                  int64_t element) {
  unsigned kept = 0;
  if constexpr (kCount == 1) {
    const PhiloxCounter words =
        random_words(key, sample, dropout.site, static_cast<uint32_t>(element / 4));
    const int lane = static_cast<int>(element % 4);
    const uint32_t word = lane == 0   ? words[0]
                          : lane == 1 ? words[1]
                          : lane == 2 ? words[2]
                                      : words[3];
    kept = word >= dropout.threshold ? 1 : 0;
  } else {
    static_assert(kCount % 4 == 0);
#pragma unroll
    for (int quad = 0; quad < kCount / 4; ++quad) {
      const PhiloxCounter words =
          random_words(key, sample, dropout.site, static_cast<uint32_t>(element / 4 + quad));
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        if (words[i] >= dropout.threshold) kept |= 1U << (quad * 4 + i);
      }
    }
  }
  return kept;
}

}  // namespace lacuna::cuda
