// Dropout on the device: the bits of Dropout's formula (kernels/step_state.h).
#pragma once

#include "elements.cuh"
#include "lacuna/kernels/step_state.h"

namespace lacuna::cuda {

/// What of a Dropout the threads of a launch share.
struct DropoutLaunch {
  uint32_t carry;  // in both halves: added to 15 bits, it sets the 16th where they are enough
  float scale;
  uint32_t site;
  const StepState* state;

  explicit DropoutLaunch(const Dropout& dropout)
      : carry((0x8000 - dropout.threshold()) * 0x10001),
        scale(static_cast<float>(dropout.scale())),
        site(dropout.site),
        state(dropout.state) {}
};

/// Which of a thread's elements are kept, for kPacks packs of kPack elements of T: for pairs of
/// 16-bit elements two bits of the same place in both halves, else a bit an element.
template <class T, int kPack, int kPacks>
class KeptElements {
 public:
  static_assert(8 % kPack == 0 && kPack * kPacks <= 16);

  /// Draws for the next pack, which begins at `element`, a multiple of kPack, of a sample (its
  /// global index).
  __device__ void add(const DropoutLaunch& dropout, PhiloxKey key, uint64_t sample,
                      int64_t element) {
    PhiloxCounter words =
        random_words(key, sample, dropout.site, static_cast<uint32_t>(element / 8));
    unsigned bits = 0;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const uint32_t enough = (words[i] & 0x7FFF7FFFu) + dropout.carry;  // bits 15 and 31
      if constexpr (kPairs) {
        bits_ = bits_ >> 1 | (enough & 0x80008000u);
      } else {
        bits |= ((enough >> 15 & 1) | (enough >> 30 & 2)) << (2 * i);
      }
    }
    if constexpr (!kPairs) {
      constexpr unsigned kOfPack = (1U << kPack) - 1;
      bits_ = bits_ >> kPack | (bits >> element % 8 & kOfPack) << (kPack * (kPacks - 1));
    }
  }
  /// Sets what is dropped of pack k to 0, once all packs have been added.
  __device__ void apply(int k, Pack<T, kPack>& pack) const {
    if constexpr (kPairs) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        uint32_t mask;  // the signs of bytes 1 and 3, each over two bytes
        asm("prmt.b32 %0, %1, 0, 0xBB99;"
            : "=r"(mask)
            : "r"(bits_ << (4 * kPacks - 1 - 4 * k - i)));
        reinterpret_cast<uint32_t*>(pack.at)[i] &= mask;
      }
    } else {
#pragma unroll
      for (int i = 0; i < kPack; ++i) {
        if ((bits_ >> (k * kPack + i) & 1) == 0) pack.at[i] = T(0.0F);
      }
    }
  }

 private:
  static constexpr bool kPairs = kPack == 8 && sizeof(T) == 2;

  uint32_t bits_ = 0;
};

}  // namespace lacuna::cuda
