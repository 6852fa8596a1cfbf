#include "../arguments.h"
#include "../bounds.h"

namespace lacuna::sparse {
namespace {

class Local final : public Pattern {
 public:
  /// The reference code sees l keys, the query included; the formula of the paper l + 1.
  Local(int64_t l, bool paper) : l_(l), keys_(paper ? l + 1 : l) {}

  bool attends(int64_t, int64_t query, int64_t key) const override {
    return key <= query && query - key < keys_;
  }

  std::vector<Pass> passes(int64_t, int64_t length, const Bound& horizon) const override {
    return {Pass{.length = length, .begin = begin(), .end = horizon}};
  }

  std::optional<Bound> suffix() const override { return begin(); }
  int64_t stride() const override { return l_; }

  std::string text() const override {
    if (keys_ == l_) return call_text("local", {l_});
    return call_text("local", {l_}, {{"window", "paper"}});
  }

 private:
  Bound begin() const { return window_bound(1 - keys_); }

  int64_t l_;
  int64_t keys_;
};

}  // namespace

PatternPtr make_local(const PatternArguments& arguments) {
  expect_arguments(arguments, 1, 1, {"window"});
  return std::make_shared<Local>(positive(arguments, 0, "l"), has_paper_window(arguments));
}

}  // namespace lacuna::sparse
