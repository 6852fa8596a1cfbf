#include "bounds.h"

#include "lacuna/base/text.h"

namespace lacuna::sparse {

bool covers(const Bound& outer, const Bound& inner) {
  if (outer == kZero) return true;
  if (inner == kZero) return false;
  if (is_window(outer)) {
    if (is_window(inner)) return outer.shift <= inner.shift;
    // A window reaches the start of every block of l iff it does from the block's last position.
    return 1 - outer.shift >= inner.period;
  }
  // At the first position of a block its suffix is one key, so it holds only a window of one.
  if (is_window(inner)) return inner.shift >= 0;
  return outer.period % inner.period == 0;
}

std::string horizon_text(const Bound& horizon) {
  if (horizon == kZero) return "dense()";
  if (is_window(horizon)) return str("local(", 1 - horizon.shift, ")");
  if (is_block(horizon)) return str("block(", horizon.period, ")");
  return "a horizon of another shape";
}

}  // namespace lacuna::sparse
