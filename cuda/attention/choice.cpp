#include "attention/choice.h"

#include <algorithm>

#include "attention/tiles.h"
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

/// Upper bound: passes of several lanes count once with every list of passes that they stand in.
int64_t walks_at_most(const HeadPasses& passes) {
  std::vector<const std::vector<sparse::Pass>*> lists;
  std::vector<sparse::Pass> alone;
  int64_t count = 0;
  for (const auto& of_head : passes) {
    const auto same = [&](const auto* list) { return *list == of_head; };
    if (std::any_of(lists.begin(), lists.end(), same)) continue;
    lists.push_back(&of_head);
    for (const sparse::Pass& pass : of_head) {
      if (pass.lanes > 1) {
        ++count;
      } else if (std::find(alone.begin(), alone.end(), pass) == alone.end()) {
        alone.push_back(pass);
      }
    }
  }
  return count + static_cast<int64_t>(alone.size());
}

bool can_run_sm90(Kernel kernel, const Problem& problem, const Widths& widths,
                  const HeadPasses& passes) {
  const int64_t plans = kernel == Kernel::kForward ? 1 : 2;  // of queries, and of keys
  return problem.capability == 90 && problem.aligned && problem.dtype != DType::kF32 &&
         problem.qk == widths.qk && problem.v == widths.v &&
         plans * walks_at_most(passes) <= kSm90Walks;
}

}  // namespace

Choice choose(Kernel kernel, const Problem& problem, const HeadPasses& passes,
              AttentionKernels wanted) {
  const Widths widths = padded(problem.qk, problem.v);
  const RowsAre rows = kernel == Kernel::kBackwardKeys ? RowsAre::kKeys : RowsAre::kQueries;
  if (wanted == AttentionKernels::kAutomatic && can_run_sm90(kernel, problem, widths, passes)) {
    return {.family = Family::kSm90,
            .qk = widths.qk,
            .v = widths.v,
            .rows = rows,
            .tile = {.groups = kSm90Lanes,
                     .group_rows = kSm90Rows / kSm90Lanes,
                     .column_tile = kernel == Kernel::kForward ? sm90_forward_columns(widths.qk)
                                                               : kSm90BackwardColumns,
                     .shares_tiles = true}};
  }
  const bool f32 = problem.dtype == DType::kF32;
  return {.family = f32 ? Family::kF32 : Family::kGeneral,
          .qk = widths.qk,
          .v = widths.v,
          .rows = rows,
          .tile = {.groups = kGroups,
                   .group_rows = f32 ? kF32GroupRows : general_group_rows(kernel, widths),
                   .column_tile = kColumnTile}};
}

}  // namespace lacuna::cuda::attention
