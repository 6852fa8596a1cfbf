#include "lacuna/sparse/pattern.h"

#include <algorithm>

#include "compose.h"
#include "lacuna/base/text.h"

namespace lacuna::sparse {

std::vector<std::vector<Pass>> head_passes(const Pattern& pattern, int64_t heads, int64_t length) {
  std::vector<std::vector<Pass>> passes;
  for (int64_t head = 0; head < heads; ++head) {
    passes.push_back(pattern.passes(head, length, kEverything));
  }
  return passes;
}

int64_t attended_pairs(const Pattern& pattern, int64_t head, int64_t length) {
  int64_t sum = 0;
  for (const Pass& pass : pattern.passes(head, length, kEverything)) sum += pass.pairs();
  return sum;
}

std::string joined_texts(const std::vector<PatternPtr>& patterns, const char* separator) {
  std::vector<std::string> texts;
  texts.reserve(patterns.size());
  for (const PatternPtr& pattern : patterns) texts.push_back(pattern->text());
  return join(texts, separator);
}

int64_t largest_stride(const std::vector<PatternPtr>& patterns) {
  int64_t largest = 0;
  for (const PatternPtr& pattern : patterns) largest = std::max(largest, pattern->stride());
  return largest;
}

}  // namespace lacuna::sparse
