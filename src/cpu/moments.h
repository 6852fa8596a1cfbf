// Moments of a group of elements (kDecayGroup) on the CPU: in place where they are stored in T, the
// type that is computed in, else in bf16, widened and rounded again.
#pragma once

#include <bit>
#include <initializer_list>

#include "lacuna/base/error.h"
#include "lacuna/kernels/flat_range.h"
#include "lacuna/kernels/moments.h"

namespace lacuna::cpu {

/// `count` stored moments in T; `copy` has room for those that are not.
template <class T, class Stored>
T* widened(Stored* moments, int64_t count, T* copy) {
  if constexpr (std::is_same_v<T, Stored>) {
    return moments;
  } else {
    for (int64_t i = 0; i < count; ++i) {
      copy[i] = T(std::bit_cast<float>(uint32_t{moments[i].bits} << 16));
    }
    return copy;
  }
}

template <class T>
struct NewMoments {
  const T* values;
  BFloat16* stored;
};

/// Stores the one or two moments of `count` elements, the first of which is element `begin` (a
/// multiple of 4) of the flat buffers.
template <class T>
void round_moments(const StepInputs& inputs, int64_t begin, int64_t count,
                   std::initializer_list<NewMoments<T>> moments) {
  for (int64_t i = 0; i < count; i += 4) {
    const PhiloxCounter words = rounding_words(inputs, (begin + i) / 4);
    int shift = 0;
    for (const NewMoments<T>& moment : moments) {
      for (int64_t k = i; k < std::min(count, i + 4); ++k) {
        const auto bits = std::bit_cast<uint32_t>(static_cast<float>(moment.values[k]));
        const uint32_t random = words[static_cast<size_t>(k - i)] >> shift & 0xFFFF;
        moment.stored[k] = {rounded_at_random(bits, random)};
      }
      shift += 16;
    }
  }
}

/// Calls body(Stored{}) with what moments are stored in beside weights of type T.
template <class T, class Body>
void with_moment_type(DType stored, const char* op, const Body& body) {
  if (stored == DType::kBF16) return body(BFloat16{});
  require(stored == DTypeOf<T>::value, op, "moments are of the type of weights or bf16");
  body(T{});
}

}  // namespace lacuna::cpu
