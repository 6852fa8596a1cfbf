// Attention patterns: who attends to whom. `attends` is the specification of a pattern; `passes` is
// the same set in the form that kernels run, and a test holds the two together.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lacuna/sparse/pass.h"

namespace lacuna::sparse {

class Pattern {
 public:
  virtual ~Pattern() = default;

  /// Whether position `query` of head `head` may read position `key`. Never true for key > query.
  /// Positions are 0-based. Pure.
  virtual bool attends(int64_t head, int64_t query, int64_t key) const = 0;

  /// Passes that cover exactly the pairs with attends(head, q, k), k < horizon.value(q) and
  /// q < length, each once. `horizon` is in positions: kEverything, or the suffix() of the pattern
  /// that this one is merged with. Throws Error(kConfig) when the two do not fit in passes.
  virtual std::vector<Pass> passes(int64_t head, int64_t length, const Bound& horizon) const = 0;

  /// When every query q attends exactly the keys suffix.value(q) .. q: that bound.
  virtual std::optional<Bound> suffix() const { return std::nullopt; }

  /// The stride l, 0 for a pattern that has none (used for the shape of position tables).
  virtual int64_t stride() const { return 0; }

  /// As it would be written in a configuration, e.g. "fixed(128, 32, 4)".
  virtual std::string text() const = 0;
};

using PatternPtr = std::shared_ptr<const Pattern>;

/// Horizon of a pattern that stands alone: all keys up to and including the query.
inline constexpr Bound kEverything{.shift = 1};

/// What stands in the parentheses of a pattern: positional whole numbers and name=word pairs.
struct PatternArguments {
  std::string pattern;  // the name, for messages
  std::vector<int64_t> numbers;
  std::map<std::string, std::string> words;
};

/// Reads one layer's attention: `merged | merged | ...` shares the heads out (head h takes entry
/// h mod n), `a + b` merges two patterns under one softmax. Examples: "strided(128)",
/// "local(128) | column(128)", "block(128) + summary(128, 32)".
/// Throws Error(kConfig) naming `text`, with the nearest known name for an unknown pattern.
PatternPtr parse_pattern(const std::string& text);

/// Names, call forms and one-line descriptions of all patterns, for `lacuna list patterns`.
struct PatternEntry {
  const char* name;
  const char* form;
  const char* description;
};
std::vector<PatternEntry> known_patterns();

/// For each head below `heads` its passes over a sequence of `length` positions, all keys seen.
std::vector<std::vector<Pass>> head_passes(const Pattern& pattern, int64_t heads, int64_t length);

/// Attended pairs of one head over a sequence of `length` positions.
int64_t attended_pairs(const Pattern& pattern, int64_t head, int64_t length);

}  // namespace lacuna::sparse
