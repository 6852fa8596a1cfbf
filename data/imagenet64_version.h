// Which of the two published versions of ImageNet 64x64 there is, told by how many pictures it has.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "lacuna/base/text.h"

namespace lacuna {

struct ImageNet64Version {
  const char* authors;
  int64_t train, valid;
};
inline constexpr std::array<ImageNet64Version, 2> kImageNet64Versions{
    {{"van den Oord et al.", 1'281'149, 49'999}, {"Chrabaszcz et al.", 1'281'167, 50'000}}};

/// In words for people. Results on the two do not compare, nor do those on less than all of one.
inline std::string imagenet64_version(int64_t train, int64_t valid) {
  std::vector<std::string> known;
  for (const ImageNet64Version& version : kImageNet64Versions) {
    const std::string counts = str(grouped(version.train), " / ", grouped(version.valid));
    if (train == version.train && valid == version.valid) {
      return str("the version of ", version.authors, " (", counts, ")");
    }
    known.push_back(str("that of ", version.authors, " has ", counts));
  }
  return str("a slice of neither version's counts (", join(known, ", "), ")");
}

}  // namespace lacuna
