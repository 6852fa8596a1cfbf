#include "lacuna/optim/schedule.h"

#include <cmath>

#include "../catch.h"

using namespace lacuna;
using optim::Schedule;

namespace {

Approx near(double value) {
  return Approx(value).epsilon(1e-14).margin(1e-16);
}

}  // namespace

TEST_CASE("the learning rate grows linearly from 0 and peaks at the end of the warm-up") {
  const Schedule schedule{.learning_rate = 0.5, .warmup = 10, .total = 30};
  CHECK(schedule.rate(0) == 0);
  CHECK(schedule.rate(1) == near(0.05));
  CHECK(schedule.rate(7) == near(0.35));
  CHECK(schedule.rate(9) == near(0.45));
  CHECK(schedule.rate(10) == near(0.5));
  CHECK(schedule.rate(11) < 0.5);
}

TEST_CASE("after the warm-up a cosine leads to 0 at the last update and stays there") {
  const Schedule schedule{.learning_rate = 2, .warmup = 10, .total = 34};  // 24 updates of cosine
  CHECK(schedule.rate(14) == near(1.8660254037844386));                    // 1 + cos(30 degrees)
  CHECK(schedule.rate(16) == near(1.7071067811865476));                    // 1 + cos(45 degrees)
  CHECK(schedule.rate(18) == near(1.5));                                   // 1 + cos(60 degrees)
  CHECK(schedule.rate(22) == near(1));
  CHECK(schedule.rate(26) == near(0.5));
  CHECK(schedule.rate(34) == near(0));
  CHECK(schedule.rate(35) == near(0));
  CHECK(schedule.rate(1000) == near(0));
  for (int64_t update = 11; update <= 34; ++update) {
    CHECK(schedule.rate(update) < schedule.rate(update - 1));
  }
}

TEST_CASE("without a warm-up the cosine begins at once") {
  const Schedule schedule{.learning_rate = 1, .warmup = 0, .total = 4};
  CHECK(schedule.rate(1) == near(0.8535533905932737));
  CHECK(schedule.rate(2) == near(0.5));
  CHECK(schedule.rate(3) == near(0.14644660940672624));
  CHECK(schedule.rate(4) == near(0));
}

TEST_CASE("a run that is no longer than its warm-up ends on the way up") {
  const Schedule shorter{.learning_rate = 1, .warmup = 100, .total = 40};
  CHECK(shorter.rate(40) == near(0.4));
  const Schedule equal{.learning_rate = 1, .warmup = 40, .total = 40};
  CHECK(equal.rate(39) == near(0.975));
  CHECK(equal.rate(40) == near(1));
  for (const int64_t total : {0, 1}) {
    CHECK(std::isfinite(Schedule{.learning_rate = 1, .warmup = 0, .total = total}.rate(1)));
  }
}

TEST_CASE("the average of the weights forgets its start") {
  const Schedule schedule{.average_decay = 0.99};
  CHECK(schedule.decay(1) == near(2.0 / 11));
  CHECK(schedule.decay(8) == near(0.5));
  CHECK(schedule.decay(889) == near(890.0 / 899));  // 0.98999 is still below
  CHECK(schedule.decay(891) == near(0.99));
  CHECK(schedule.decay(1'000'000) == near(0.99));
}
