// Moments as they are stored on the device: f32, or bf16 that is rounded at random
// (kernels/moments.h).
#pragma once

#include "../dispatch.h"
#include "elements.cuh"
#include "lacuna/kernels/moments.h"

namespace lacuna::cuda {

/// Stores moments of kCount elements, 4 or 1, of the flat buffers from number `element` on, a
/// multiple of kCount. Moment 0 is the first, 1 the second.
template <class Moment, int kCount>
class MomentStore {
 public:
  __device__ MomentStore(const StepState& state, int64_t element) {
    static_assert(kCount == 4 || kCount == 1);
    if constexpr (kRounds) {
      const PhiloxCounter words = rounding_words(state.inputs, element / 4);
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        if (kCount == 4 || i == element % 4) words_[kCount == 4 ? i : 0] = words[i];
      }
    }
  }

  template <int kMoment>
  __device__ void store(Moment* to, const Pack<float, kCount>& values) const {
    if constexpr (kRounds) {
      Pack<Moment, kCount> rounded;
#pragma unroll
      for (int i = 0; i < kCount; ++i) {
        const uint32_t random = words_[i] >> (16 * kMoment) & 0xFFFFU;
        rounded.at[i] =
            __ushort_as_bfloat16(rounded_at_random(__float_as_uint(values.at[i]), random));
      }
      cuda::store<kCount>(to, rounded);
    } else {
      cuda::store<kCount>(to, values);
    }
  }

 private:
  static constexpr bool kRounds = std::is_same_v<Moment, __nv_bfloat16>;

  uint32_t words_[kRounds ? kCount : 1] = {};
};

/// Moments as they are computed with.
template <int kCount, class Moment>
__device__ Pack<float, kCount> load_moments(const Moment* from) {
  const Pack<Moment, kCount> stored = load<kCount>(from);
  Pack<float, kCount> values;
#pragma unroll
  for (int i = 0; i < kCount; ++i) values.at[i] = element(stored, i);
  return values;
}

/// Calls body(Moment{}) with Moment = float or __nv_bfloat16.
template <class Body>
void with_moment_type(DType stored, const char* op, const Body& body) {
  if (stored == DType::kBF16) return body(__nv_bfloat16{});
  require(stored == DType::kF32, op, "moments on the GPU are f32 or bf16");
  body(float{});
}

}  // namespace lacuna::cuda
