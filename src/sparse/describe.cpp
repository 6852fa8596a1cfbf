// Passes in words.
#include "bounds.h"
#include "lacuna/base/text.h"
#include "lacuna/sparse/statistics.h"

namespace lacuna::sparse {
namespace {

std::string plus(const std::string& term, int64_t value) {
  if (value == 0) return term;
  return value > 0 ? str(term, " + ", value) : str(term, " - ", -value);
}

std::string order_text(const Order& order, int64_t lanes) {
  if (lanes > 1) {
    const std::string first =
        plus(order.lane_stride == 1 ? "r" : str("r*", order.lane_stride), order.offset);
    if (order.run == 1) {
      const std::string second = plus(order.lane_stride == 1 ? "r" : str("r*", order.lane_stride),
                                      order.offset + order.outer);
      return str("positions ", first, ", ", second, ", ...");
    }
    return str(order.run, " positions by ", order.inner, " from ", first, " on, again every ",
               order.outer);
  }
  if (order == Order{}) return "all positions";
  if (order.run == 1) return str("every ", order.outer, "th position from ", order.offset, " on");
  const std::string span =
      order.inner == 1
          ? str("positions ", order.offset, " to ", order.offset + order.run - 1)
          : str(order.run, " positions by ", order.inner, " from ", order.offset, " on");
  return str(span, " of every ", order.outer);
}

// A bound as a formula in i.
std::string formula(const Bound& bound) {
  std::string j = bound.shift == 0 ? "i" : plus("i", bound.shift);
  if (bound.shift < 0) j = "max(0, " + j + ")";
  std::vector<std::string> terms;
  if (bound.step != 0) {
    const std::string blocks = bound.period == 1 ? j : str("floor(", j, " / ", bound.period, ")");
    terms.push_back(bound.step == 1 ? blocks : str(blocks, " * ", bound.step));
  }
  if (bound.ramp > 0) {
    terms.push_back(
        str("clamp(", j, " mod ", bound.period, " - ", bound.ramp_start, ", 0, ", bound.ramp, ")"));
  }
  return terms.empty() ? "0" : join(terms, " + ");
}

// What the interval is, where that has a name.
std::string meaning(const Pass& pass) {
  const bool to_itself = pass.end == window_bound(1);
  if (pass.begin == kZero && to_itself) return " (all up to itself)";
  if (pass.begin == kZero && pass.end == window_bound(0)) return " (all before itself)";
  if (is_window(pass.begin) && to_itself) return str(" (the last ", 1 - pass.begin.shift, ")");
  if (is_block(pass.begin) && to_itself) return str(" (its block of ", pass.begin.period, ")");
  return "";
}

}  // namespace

std::vector<std::string> describe(const Pass& pass) {
  const std::string queries = order_text(pass.queries, pass.lanes);
  const std::string keys = order_text(pass.keys, pass.lanes);
  std::vector<std::string> lines;
  const std::string lanes =
      pass.lanes == 1 ? "one lane" : str(grouped(pass.lanes), " lanes, lane r with");
  if (queries == keys) {
    lines.push_back(str(lanes, pass.lanes == 1 ? ": " : " ", queries,
                        " as queries and keys, numbered within the lane"));
  } else {
    lines.push_back(str(lanes, pass.lanes == 1 ? ": " : " ", "queries are ", queries));
    lines.push_back("keys are " + keys + ", numbered in this order");
  }
  lines.push_back(str("query i sees the keys k with ", formula(pass.begin), " <= k < ",
                      formula(pass.end), meaning(pass)));
  return lines;
}

}  // namespace lacuna::sparse
