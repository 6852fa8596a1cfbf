// What the tests of patterns share: a brute-force check of passes, and the index sets of paper.md
// section 1.1 as plain loops, written without the patterns' own code.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "lacuna/sparse/pattern.h"

namespace lacuna::sparse {

/// The first broken promise of `pattern`'s passes at this head, length and horizon, checked pair by
/// pair against attends(); empty if there is none.
std::string cover_fault(const Pattern& pattern, int64_t head, int64_t length,
                        const Bound& horizon = kEverything);

using Keys = std::set<int64_t>;

Keys dense_keys(int64_t i);
Keys window_keys(int64_t i, int64_t width);
Keys column_keys(int64_t i, int64_t l);
Keys block_keys(int64_t i, int64_t l);
/// Sub-block g, counted from the end of each stride block.
Keys summary_keys(int64_t i, int64_t l, int64_t c, int64_t g);
Keys both(Keys a, const Keys& b);

/// All keys that `pattern` lets query i read, looked for among 0 .. length - 1.
Keys attended_keys(const Pattern& pattern, int64_t head, int64_t i, int64_t length);

/// Whether `part` occurs in `text` (the matchers of Catch2 v2 and v3 have different names).
bool contains(const std::string& text, const std::string& part);

/// 1, l - 1, l, l + 1, 2l + 3, 31, 97: shorter than a stride, whole, and ragged.
std::vector<int64_t> lengths_for(int64_t l);

inline constexpr int64_t kStrides[] = {1, 2, 3, 5, 8, 16};

}  // namespace lacuna::sparse
