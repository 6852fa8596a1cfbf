// The shapes of bound that a suffix() may have; a horizon is one of them too.
#pragma once

#include <string>

#include "lacuna/sparse/pass.h"

namespace lacuna::sparse {

/// Always 0: the suffix of dense, and where an interval from the first key begins.
inline constexpr Bound kZero{.step = 0};

/// max(0, q + shift), the suffix of a window of 1 - shift keys.
inline constexpr Bound window_bound(int64_t shift) {
  return {.shift = shift};
}
/// The first position of q's block of l.
inline constexpr Bound block_bound(int64_t l) {
  return {.period = l, .step = l};
}

inline constexpr bool is_window(const Bound& bound) {
  return bound == window_bound(bound.shift);
}
inline constexpr bool is_block(const Bound& bound) {
  return bound == block_bound(bound.period);
}

/// Whether outer.value(q) <= inner.value(q) for every q; both of the shapes above.
bool covers(const Bound& outer, const Bound& inner);

/// What a horizon leaves out, in the words of the configuration, e.g. "block(128)".
std::string horizon_text(const Bound& horizon);

}  // namespace lacuna::sparse
