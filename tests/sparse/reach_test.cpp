// The validity criterion of the paper: two stacked layers connect every position to all earlier
// ones.
#include "../catch.h"
#include "lacuna/sparse/pattern.h"

using namespace lacuna;
using namespace lacuna::sparse;

namespace {

constexpr int64_t kLength = 64;

bool reaches(const Pattern& first, const Pattern& second, int64_t i, int64_t j) {
  for (int64_t k = 0; k < kLength; ++k) {
    if (second.attends(0, i, k) && first.attends(0, k, j)) return true;
  }
  return false;
}

/// Pairs j <= i that `second` on top of `first` does not connect.
int64_t unreached(const char* first, const char* second) {
  const PatternPtr below = parse_pattern(first);
  const PatternPtr above = parse_pattern(second);
  int64_t count = 0;
  for (int64_t i = 0; i < kLength; ++i) {
    for (int64_t j = 0; j <= i; ++j) count += reaches(*below, *above, i, j) ? 0 : 1;
  }
  return count;
}

}  // namespace

TEST_CASE("Local and column layers reach everything in either order") {
  CHECK(unreached("local(8)", "column(8)") == 0);
  CHECK(unreached("column(8)", "local(8)") == 0);
  CHECK(unreached("local(8, window=paper)", "column(8)") == 0);
  CHECK(unreached("column(8)", "local(8, window=paper)") == 0);
  CHECK(unreached("local(8)", "local(8)") > 0);
  CHECK(unreached("local(7)", "column(8)") > 0);
}

TEST_CASE("Two merged layers of strided or fixed reach everything") {
  CHECK(unreached("strided(8)", "strided(8)") == 0);
  CHECK(unreached("strided(8, window=paper)", "strided(8, window=paper)") == 0);
  CHECK(unreached("fixed(8, 2)", "fixed(8, 2)") == 0);
}

TEST_CASE("Block then summary as separate layers reaches all earlier blocks") {
  const PatternPtr block = parse_pattern("block(8)");
  const PatternPtr summary = parse_pattern("summary(8, 2)");
  for (int64_t i = 0; i < kLength; ++i) {
    for (int64_t j = 0; j < i / 8 * 8; ++j) {
      CAPTURE(i, j);
      CHECK(reaches(*block, *summary, i, j));
    }
  }
  CHECK(unreached("block(8)", "summary(8, 2)") > 0);
}
