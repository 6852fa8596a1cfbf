// The cases of `lacuna check` with the CPU in f32 in the place of a GPU.
#include <random>

#include "../catch.h"
#include "lacuna/proof/cases.h"
#include "lacuna/proof/side.h"

using namespace lacuna;
using namespace lacuna::proof;

namespace {

const Queue kCpu = Queue::cpu(2);

bool all_good(const std::vector<Finding>& found) {
  return std::all_of(found.begin(), found.end(), [](const Finding& f) { return f.good(); });
}

}  // namespace

TEST_CASE("Each case of check passes in f32 on the CPU, and no result is left unwritten",
          "[check]") {
  const uint64_t seed = std::random_device()();
  for (const CheckCase& check : check_cases()) {
    const std::vector<Finding> found = findings(check, kCpu, DType::kF32, seed, kCpu);
    CHECK(!found.empty());
    for (const Finding& f : found) {
      CAPTURE(check.name, seed, f.result, f.error, f.limit);
      CHECK(f.good());
    }
  }
}

// Each result is one that a kernel writes, and none is compared so loosely that it would not show
// that nothing was written.
TEST_CASE("check finds every result of every case wrong where no kernel runs", "[check]") {
  for (const CheckCase& check : check_cases()) {
    for (const Entry& entry : check.entries) {
      Side nothing(Queue::dry(), DType::kBF16, 1);
      for (const Finding& f : findings(entry, nothing, kCpu)) {
        CAPTURE(check.name, entry.name, f.result, f.error, f.limit);
        CHECK(!f.good());
      }
    }
  }
}

// By more than what bf16 may err by: the inputs matter.
TEST_CASE("check finds every entry wrong where a side has other inputs", "[check]") {
  for (const CheckCase& check : check_cases()) {
    // The only query has no key: zero whatever the inputs.
    if (check.name.starts_with("attention summary(32, 8), T=1,")) continue;
    for (const Entry& entry : check.entries) {
      if (entry.name.starts_with("Zero")) continue;
      Side got(kCpu, DType::kF32, 1), others(kCpu, DType::kF32, 2);
      entry.make(got)();
      entry.make(others)();
      double share = 0;
      for (size_t i = 0; i < got.results().size(); ++i) {
        const Tolerance& tolerance = got.results()[i].tolerance;
        const double error = relative_error(got.results()[i].read(), others.results()[i].read(),
                                            tolerance.least, tolerance.most);
        if (error > 0) share = std::max(share, error / tolerance.limit(DType::kBF16));
      }
      CAPTURE(check.name, entry.name, share);
      CHECK(share > 1);
    }
  }
}

TEST_CASE("check finds a dense pattern and the same one in blocks equal on the CPU", "[check]") {
  for (const SameCase& same : same_cases()) {
    CAPTURE(same.name);
    CHECK(all_good(findings(same, kCpu, DType::kF32, 3)));
  }
}

TEST_CASE("A result that is not finite is infinitely wrong", "[check]") {
  CHECK(relative_error(std::vector{1.0, 2.0}, std::vector{1.0, 2.0}) == 0);
  CHECK(relative_error(std::vector{1.0, NAN}, std::vector{1.0, 2.0}) == kInfinity);
  CHECK(relative_error(std::vector{1.0, kInfinity}, std::vector{1.0, 2.0}) == kInfinity);
  CHECK(relative_error(std::vector{-kInfinity, 2.0}, std::vector{-kInfinity, 2.0}) == 0);
  CHECK(relative_error(std::vector{1.0}, std::vector{1.0, 2.0}) == kInfinity);
}

TEST_CASE("Errors are held against the scale of a tensor, within its bounds", "[check]") {
  const std::vector<double> got{0.5, 4}, want{0, 4};
  CHECK(relative_error(got, want) == 0.125);
  CHECK(relative_error(got, want, 5) == 0.1);
  CHECK(relative_error(got, want, 1, 1) == 0.5);
}

TEST_CASE("A side finds a margin that was written to", "[check]") {
  Side side(kCpu, DType::kF32, 4, "y");
  const View y = side.output("y", {3}, kExact);
  CHECK(reinterpret_cast<uintptr_t>(y.raw()) % 16 == 4);  // shifted by one element
  CHECK(side.intact());
  y.data<float>()[3] = 1;
  CHECK(!side.intact());
  const std::vector<Finding> found = findings(side, side);
  CHECK(!found.back().good());
}
