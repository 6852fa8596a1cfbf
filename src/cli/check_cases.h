// What `lacuna check` runs on both sides.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "check_side.h"

namespace lacuna::cli {

struct CheckCase {
  std::string name;
  /// Roundings that the results went through, one after the other or in long sums at random: how
  /// many units in the last place they may be off, relative to the largest of a tensor.
  double units;
  std::function<void(Side&)> run;
};

/// Every kernel of training and of sampling over ragged sizes; those of attention_cases() are among
/// them.
std::vector<CheckCase> check_cases();

/// Attention, forward, backward and position by position, over all patterns and several head sizes.
std::vector<CheckCase> attention_cases();

/// Pairs of attention cases whose results must agree on one device: a dense pattern, and the same
/// one cut into blocks.
struct SameCase {
  std::string name;
  double units;
  std::function<void(Side&)> one, other;
};
std::vector<SameCase> same_cases();

}  // namespace lacuna::cli
