#include "lacuna/comm/buckets.h"

#include <vector>

#include "../catch.h"

using namespace lacuna;

namespace {

std::vector<int64_t> counts(Buckets& buckets, const std::vector<int64_t>& finals) {
  std::vector<int64_t> found;
  int64_t at = 0;
  for (const int64_t final : finals) {
    const Buckets::Range range = buckets.next(final);
    CHECK(range.begin == at);
    at += range.count;
    if (range.count > 0) found.push_back(range.count);
  }
  return found;
}

}  // namespace

TEST_CASE("the first bucket is small, the others wait until there is enough, the last takes all") {
  Buckets buckets(100, {.first = 10, .others = 30});
  const std::vector<int64_t> finals{4, 12, 20, 41, 45, 98, 100};
  CHECK(counts(buckets, finals) == std::vector<int64_t>{12, 33, 53, 2});
  buckets.restart();
  CHECK(counts(buckets, {100}) == std::vector<int64_t>{100});
}

TEST_CASE("nothing is added twice, and all of it once") {
  Buckets buckets(64, {.first = 1000, .others = 1000});
  CHECK(counts(buckets, {16, 32, 48, 64, 64}) == std::vector<int64_t>{64});
}
