// Summary key k is position (k / c)*l + l - (g + 1)*c + k mod c, where g = head mod n numbers the
// sub-blocks of c positions from the end of each stride block of l.
#include "../arguments.h"
#include "../bounds.h"
#include "lacuna/base/error.h"
#include "lacuna/base/text.h"

namespace lacuna::sparse {
namespace {

class Summary final : public Pattern {
 public:
  explicit Summary(const SummaryShape& shape) : l_(shape.l), c_(shape.c), n_(shape.n) {}

  bool attends(int64_t head, int64_t query, int64_t key) const override {
    const int64_t behind_first = key % l_ - first(head);
    return key <= query && behind_first >= 0 && behind_first < c_;
  }

  std::vector<Pass> passes(int64_t head, int64_t length, const Bound& horizon) const override {
    return {Pass{.length = length,

                 .keys = {.offset = first(head), .run = c_, .outer = l_},
                 .begin = kZero,
                 .end = end(first(head), horizon)}};
  }

  int64_t stride() const override { return l_; }
  std::string text() const override { return summary_text("summary", {l_, c_, n_}); }

 private:
  int64_t first(int64_t head) const { return l_ - (head % n_ + 1) * c_; }

  /// The number of summary keys below the horizon of q.
  Bound end(int64_t first, const Bound& horizon) const {
    if (horizon == kZero) return kZero;
    // Below position p lie p / l whole sub-blocks and what the next one has before p.
    if (is_window(horizon)) {
      return {.shift = horizon.shift, .period = l_, .step = c_, .ramp_start = first, .ramp = c_};
    }
    const int64_t block = is_block(horizon) ? horizon.period : 0;
    // Whole stride blocks only.
    if (block > 0 && block % l_ == 0) return {.period = block, .step = block / l_ * c_};
    // Every sub-block lies within one block, since both are cut at multiples of c from the end of
    // the stride block: it becomes visible at once, where that block ends.
    if (block > 0 && l_ % block == 0 && block % c_ == 0) {
      const int64_t visible = (first / block + 1) * block;
      return {.shift = l_ - visible, .period = l_, .step = c_};
    }
    throw Error(
        ErrorKind::kConfig, text(), "cannot be merged with " + horizon_text(horizon),
        str("summary(l, c) merges with every local, and with block(m) where m is a multiple "
            "of l, or divides l and is a multiple of c; here l = ",
            l_, ", c = ", c_));
  }

  int64_t l_;
  int64_t c_;
  int64_t n_;
};

}  // namespace

PatternPtr make_summary(const PatternArguments& arguments) {
  return std::make_shared<Summary>(summary_shape(arguments));
}

}  // namespace lacuna::sparse
