// The activation z * sigmoid(1.702 z). exp and the quotient are the hardware's approximations
// (2^-22), for the accurate ones take as long as the memory.
#pragma once

namespace lacuna::cuda {

inline constexpr float kQuickGeluSlope = 1.702F;

__device__ inline float sigmoid(float x) {
  return __fdividef(1, 1 + __expf(-x));
}
__device__ inline float quick_gelu(float z) {
  return z * sigmoid(kQuickGeluSlope * z);
}

}  // namespace lacuna::cuda
