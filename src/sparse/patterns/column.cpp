// Lane r holds the positions r, r + l, r + 2l, ...: query i of a lane is q = r + i*l, and within
// the lane the pattern is dense.
#include "../arguments.h"
#include "../bounds.h"
#include "lacuna/base/error.h"
#include "lacuna/base/text.h"

namespace lacuna::sparse {
namespace {

class Column final : public Pattern {
 public:
  explicit Column(int64_t l) : l_(l) {}

  bool attends(int64_t, int64_t query, int64_t key) const override {
    return key <= query && (query - key) % l_ == 0;
  }

  std::vector<Pass> passes(int64_t, int64_t length, const Bound& horizon) const override {
    const Order lanes{.lane_stride = 1, .outer = l_};
    return {Pass{.length = length,
                 .lanes = std::min(l_, length),
                 .queries = lanes,
                 .keys = lanes,
                 .begin = kZero,
                 .end = end(horizon)}};
  }

  int64_t stride() const override { return l_; }
  std::string text() const override { return call_text("column", {l_}); }

 private:
  /// The number of keys r + k*l below the horizon of q = r + i*l, as a bound in i.
  Bound end(const Bound& horizon) const {
    if (horizon == kZero) return kZero;
    // k*l < i*l + shift: i + ceil(shift / l) of them.
    if (is_window(horizon)) {
      const int64_t shift = horizon.shift;
      return window_bound(shift > 0 ? (shift - 1) / l_ + 1 : shift / l_);
    }
    // A block of at most l positions holds no key of the lane but the query itself.
    if (is_block(horizon) && horizon.period <= l_) return window_bound(0);
    // A block of m*l positions holds m positions of each lane, and starts at a multiple of m in i.
    if (is_block(horizon) && horizon.period % l_ == 0) return block_bound(horizon.period / l_);
    throw Error(ErrorKind::kConfig, text(), "cannot be merged with " + horizon_text(horizon),
                str("column(l) merges with every local, and with block(m) where m <= l or m is a "
                    "multiple of l; here l = ",
                    l_));
  }

  int64_t l_;
};

}  // namespace

PatternPtr make_column(const PatternArguments& arguments) {
  expect_arguments(arguments, 1, 1);
  return std::make_shared<Column>(positive(arguments, 0, "l"));
}

}  // namespace lacuna::sparse
