#include "attention/choice.h"

#include "attention/arguments.h"
#include "lacuna/base/error.h"
#include "lacuna/kernels/gpu_limits.h"

namespace lacuna::cuda::attention {
namespace {

struct Widths {
  int qk, v;
};
constexpr Widths kWidths[] = {{32, 32}, {64, 64}, {64, 128}, {128, 128}};
static_assert(kLimits.head_width <= 128);

/// The smallest that hold both.
Widths padded(int64_t qk, int64_t v) {
  for (const Widths& widths : kWidths) {
    if (qk <= widths.qk && v <= widths.v) return widths;
  }
  require(false, "attention", "heads are wider than kLimits (kernels/gpu_limits.h)");
  return {};
}

template <int kQk, int kV>
int fragments(Kernel kernel) {
  switch (kernel) {
    case Kernel::kForward:
      return kForwardFragments<kQk, kV>;
    case Kernel::kBackwardQueries:
      return kQueryFragments<kQk, kV>;
    case Kernel::kBackwardKeys:
      return kKeyFragments<kQk, kV>;
  }
  return 0;
}

int general_group_rows(Kernel kernel, const Widths& widths) {
  if (widths.v == 32) return 16 * fragments<32, 32>(kernel);
  if (widths.v == 64) return 16 * fragments<64, 64>(kernel);
  return 16 * (widths.qk == 64 ? fragments<64, 128>(kernel) : fragments<128, 128>(kernel));
}

}  // namespace

Choice choose(Kernel kernel, const Problem& problem) {
  const Widths widths = padded(problem.qk, problem.v);
  const bool f32 = problem.dtype == DType::kF32;
  return {.family = f32 ? Family::kF32 : Family::kGeneral,
          .qk = widths.qk,
          .v = widths.v,
          .rows = kernel == Kernel::kBackwardKeys ? RowsAre::kKeys : RowsAre::kQueries,
          .tile = {.groups = kGroups,
                   .group_rows = f32 ? kF32GroupRows : general_group_rows(kernel, widths),
                   .column_tile = kColumnTile}};
}

}  // namespace lacuna::cuda::attention
