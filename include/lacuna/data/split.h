// How one row of symbols, or of records, is cut into train, valid and test.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "lacuna/data/dataset.h"

namespace lacuna {

/// Where data.split is empty and nothing else tells the parts.
inline constexpr const char* kUsualSplit = "0.9 / 0.05 / 0.05";

/// The three parts lie in the order train, valid, test from the first symbol on, without gaps; what
/// follows the last part belongs to none.
struct SplitBounds {
  std::array<int64_t, 4> bounds{};  // part p is [bounds[p], bounds[p + 1])
  bool counts = false;              // were given, not shares

  int64_t begin(Split split) const { return bounds[static_cast<size_t>(split)]; }
  int64_t size(Split split) const { return bounds[static_cast<size_t>(split) + 1] - begin(split); }
};

/// `text` holds two or three numbers separated by '/' (two: no test part). Either shares of the
/// whole, such as "0.9 / 0.05 / 0.05": each from 0 to 1, together at most 1, a bound being
/// floor(sum of shares so far * size). Or counts, such as "90M / 5M / 5M": together at most `size`.
/// A bare 0 or 1 fits either; "1 / 1" are counts. `noun` names what is counted. Throws
/// Error(kConfig).
SplitBounds parse_split(const std::string& text, int64_t size, const std::string& noun = "symbols");

}  // namespace lacuna
