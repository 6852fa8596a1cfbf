#include "../arguments.h"
#include "../bounds.h"

namespace lacuna::sparse {
namespace {

class Dense final : public Pattern {
 public:
  bool attends(int64_t, int64_t query, int64_t key) const override { return key <= query; }

  std::vector<Pass> passes(int64_t, int64_t length, const Bound& horizon) const override {
    return {Pass{.length = length, .begin = kZero, .end = horizon}};
  }

  std::optional<Bound> suffix() const override { return kZero; }
  std::string text() const override { return "dense()"; }
};

}  // namespace

PatternPtr make_dense(const PatternArguments& arguments) {
  expect_arguments(arguments, 0, 0);
  return std::make_shared<Dense>();
}

}  // namespace lacuna::sparse
