#include <utility>

#include "compose.h"
#include "lacuna/base/error.h"

namespace lacuna::sparse {
namespace {

class SharedHeads final : public Pattern {
 public:
  explicit SharedHeads(std::vector<PatternPtr> entries) : entries_(std::move(entries)) {}

  bool attends(int64_t head, int64_t query, int64_t key) const override {
    return entry(head).attends(inner_head(head), query, key);
  }

  std::vector<Pass> passes(int64_t head, int64_t length, const Bound& horizon) const override {
    return entry(head).passes(inner_head(head), length, horizon);
  }

  int64_t stride() const override { return largest_stride(entries_); }

  std::string text() const override { return joined_texts(entries_, " | "); }

 private:
  size_t count() const { return entries_.size(); }
  const Pattern& entry(int64_t head) const {
    return *entries_[static_cast<size_t>(head) % count()];
  }
  int64_t inner_head(int64_t head) const { return head / static_cast<int64_t>(count()); }

  std::vector<PatternPtr> entries_;
};

}  // namespace

PatternPtr share_heads(std::vector<PatternPtr> entries) {
  require(!entries.empty(), "share_heads", "there is no pattern to share");
  return std::make_shared<SharedHeads>(std::move(entries));
}

}  // namespace lacuna::sparse
