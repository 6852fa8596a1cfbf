// What the GPU backend cannot do however much memory there is. The kernels are built for it, and
// who plans a run asks here before it begins.
#pragma once

#include <cstdint>

namespace lacuna::cuda {

struct Limits {
  int64_t head_width;  // D_qk and D_v of attention
};

inline constexpr Limits kLimits{.head_width = 128};

}  // namespace lacuna::cuda
