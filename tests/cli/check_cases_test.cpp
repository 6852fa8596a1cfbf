// The cases of `lacuna check` with the CPU in f32 in the place of a GPU.
#include "../../src/cli/check_cases.h"

#include <cmath>
#include <random>

#include "../catch.h"

using namespace lacuna;
using namespace lacuna::cli;

namespace {

Side side_of(DType storage, uint64_t seed) {
  return Side(Queue::cpu(2), DType::kF32, storage, seed);
}

}  // namespace

TEST_CASE("Each case of check passes in f32 on the CPU, and no result is left unwritten",
          "[check]") {
  const uint64_t seed = std::random_device()();
  for (const CheckCase& check : check_cases()) {
    Side got = side_of(DType::kF32, seed), want = side_of(DType::kF64, seed);
    check.run(got);
    check.run(want);
    const Worst worst = worst_of(got, want);
    CAPTURE(check.name, seed, worst.tensor);
    CHECK(!want.results().empty());
    CHECK(worst.error <= limit_of(DType::kF32, check.units));
  }
}

// Each result is one that a kernel writes, and none is compared so loosely that it would not show
// that nothing was written.
TEST_CASE("check finds every result of every case wrong where no kernel runs", "[check]") {
  for (const CheckCase& check : check_cases()) {
    Side got(Queue::dry(), DType::kF32, DType::kF32, 1), want = side_of(DType::kF64, 1);
    check.run(got);
    check.run(want);
    for (size_t i = 0; i < want.results().size(); ++i) {
      CAPTURE(check.name, want.results()[i].name, i);
      CHECK(error_of(got, want, i) > limit_of(DType::kBF16, check.units));
    }
  }
}

TEST_CASE("check finds every case wrong where a side has other inputs", "[check]") {
  for (const CheckCase& check : check_cases()) {
    // The only query has no key: zero whatever the inputs.
    if (check.name.starts_with("attention summary(32, 8), T=1,")) continue;
    Side got = side_of(DType::kF32, 1), want = side_of(DType::kF64, 2);
    check.run(got);
    check.run(want);
    CAPTURE(check.name);
    CHECK(worst_of(got, want).error > limit_of(DType::kBF16, check.units));
  }
}

TEST_CASE("check finds a dense pattern and the same one in blocks equal on the CPU", "[check]") {
  for (const SameCase& same : same_cases()) {
    Side one = side_of(DType::kF32, 3), other = side_of(DType::kF32, 3);
    same.one(one);
    same.other(other);
    CAPTURE(same.name);
    CHECK(worst_of(other, one).error <= limit_of(DType::kF32, same.units));
  }
}

TEST_CASE("A result that is not finite is infinitely wrong", "[check]") {
  Side got = side_of(DType::kF32, 4), want = side_of(DType::kF64, 4);
  for (Side* side : {&got, &want}) side->keep_numbers("numbers", {1, 2});
  CHECK(worst_of(got, want).error == 0);
  got.output("unwritten", {3}, DType::kF32);
  want.keep("unwritten", want.input({3}));
  CHECK(worst_of(got, want).error == HUGE_VAL);
}
