// What the GPU backend cannot do however much memory there is. The kernels are built for it, and
// who plans a run asks here before it begins.
#pragma once

#include <cstdint>

namespace lacuna::cuda {

struct Limits {
  int64_t head_width;  // D_qk and D_v of attention
  int64_t tokens;      // B * T of what goes through the model at once
};

inline constexpr Limits kLimits{.head_width = 128, .tokens = (int64_t{1} << 30) - 1};

}  // namespace lacuna::cuda
