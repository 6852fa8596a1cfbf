// Patterns under one softmax. A part whose keys end at the query (a suffix) runs first and in full;
// the other part then takes only the keys before that suffix, so no pair is counted twice.
#include <algorithm>
#include <utility>

#include "bounds.h"
#include "compose.h"
#include "lacuna/base/error.h"

namespace lacuna::sparse {
namespace {

class Merged final : public Pattern {
 public:
  /// runs: the one or two parts that make up the union, the first with a suffix if there are two.
  Merged(std::vector<PatternPtr> parts, std::vector<PatternPtr> runs, std::string text)
      : parts_(std::move(parts)), runs_(std::move(runs)), text_(std::move(text)) {}

  bool attends(int64_t head, int64_t query, int64_t key) const override {
    return std::any_of(parts_.begin(), parts_.end(),
                       [&](const PatternPtr& part) { return part->attends(head, query, key); });
  }

  std::vector<Pass> passes(int64_t head, int64_t length, const Bound& horizon) const override {
    if (runs_.size() == 1) return runs_[0]->passes(head, length, horizon);
    if (horizon != kEverything) {
      throw Error(ErrorKind::kConfig, text_,
                  "a merge cannot be cut at the horizon of " + horizon_text(horizon),
                  "Merge its parts instead");
    }
    std::vector<Pass> all = runs_[0]->passes(head, length, kEverything);
    const std::vector<Pass> rest = runs_[1]->passes(head, length, *runs_[0]->suffix());
    all.insert(all.end(), rest.begin(), rest.end());
    return all;
  }

  std::optional<Bound> suffix() const override {
    return runs_.size() == 1 ? runs_[0]->suffix() : std::nullopt;
  }

  int64_t stride() const override { return largest_stride(parts_); }

  std::string text() const override { return text_; }
  const std::vector<PatternPtr>& parts() const { return parts_; }

 private:
  std::vector<PatternPtr> parts_;
  std::vector<PatternPtr> runs_;
  std::string text_;
};

/// The parts, with merges such as strided(l) replaced by what they were merged from.
std::vector<PatternPtr> flattened(const std::vector<PatternPtr>& parts) {
  std::vector<PatternPtr> flat;
  for (const PatternPtr& part : parts) {
    if (const auto* merged = dynamic_cast<const Merged*>(part.get())) {
      flat.insert(flat.end(), merged->parts().begin(), merged->parts().end());
    } else {
      flat.push_back(part);
    }
  }
  return flat;
}

/// The suffixes that no other suffix covers; of equal ones the first.
std::vector<PatternPtr> widest_suffixes(const std::vector<PatternPtr>& parts) {
  std::vector<PatternPtr> widest;
  for (const PatternPtr& part : parts) {
    const std::optional<Bound> bound = part->suffix();
    if (!bound) continue;
    const auto covers_part = [&](const PatternPtr& other) {
      return covers(*other->suffix(), *bound);
    };
    if (std::any_of(widest.begin(), widest.end(), covers_part)) continue;
    std::erase_if(widest,
                  [&](const PatternPtr& other) { return covers(*bound, *other->suffix()); });
    widest.push_back(part);
  }
  return widest;
}

/// What has to run for the union of `parts`, in order.
std::vector<PatternPtr> runs_of(const std::vector<PatternPtr>& parts) {
  std::vector<PatternPtr> runs = widest_suffixes(parts);
  if (!runs.empty() && *runs[0]->suffix() == kZero) return runs;  // dense leaves nothing to add
  const size_t suffixes = runs.size();
  for (const PatternPtr& part : parts) {
    if (!part->suffix()) runs.push_back(part);
  }
  if (suffixes > 0 && runs.size() <= 2) return runs;
  throw Error(
      ErrorKind::kConfig, "merge",
      joined_texts(runs, ", ") + " do not fit in disjoint passes of one softmax",
      "A merge is one of dense, local, block (or several, if one covers the others), and at "
      "most one more pattern; other combinations can share the heads with |");
}

}  // namespace

PatternPtr merge(const std::vector<PatternPtr>& parts, std::string text) {
  if (text.empty()) text = joined_texts(parts, " + ");
  std::vector<PatternPtr> flat = flattened(parts);
  std::vector<PatternPtr> runs = runs_of(flat);
  // Whether two runs fit does not depend on head or length: try it here, before any data is read.
  if (runs.size() == 2) runs[1]->passes(0, 1, *runs[0]->suffix());
  return std::make_shared<Merged>(std::move(flat), std::move(runs), std::move(text));
}

}  // namespace lacuna::sparse
