#include "../arguments.h"
#include "../bounds.h"

namespace lacuna::sparse {
namespace {

class Block final : public Pattern {
 public:
  explicit Block(int64_t l) : l_(l) {}

  bool attends(int64_t, int64_t query, int64_t key) const override {
    return key <= query && key / l_ == query / l_;
  }

  std::vector<Pass> passes(int64_t, int64_t length, const Bound& horizon) const override {
    return {Pass{.length = length, .begin = begin(), .end = horizon}};
  }

  std::optional<Bound> suffix() const override { return begin(); }
  int64_t stride() const override { return l_; }
  std::string text() const override { return call_text("block", {l_}); }

 private:
  Bound begin() const { return block_bound(l_); }

  int64_t l_;
};

}  // namespace

PatternPtr make_block(const PatternArguments& arguments) {
  expect_arguments(arguments, 1, 1);
  return std::make_shared<Block>(positive(arguments, 0, "l"));
}

}  // namespace lacuna::sparse
