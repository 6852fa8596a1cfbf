// What `lacuna bench layers` counts as moved.
#include "../catch.h"
#include "lacuna/proof/cases.h"
#include "lacuna/proof/timed.h"

using namespace lacuna;
using namespace lacuna::proof;

TEST_CASE("What is read or written counts once, what is updated twice", "[bench]") {
  constexpr double kRows = 30, kWidth = 20;
  const auto bytes = [](const Entry& entry) { return bytes_of(entry, DType::kBF16); };
  CHECK(bytes(layernorm_forward({30, 20})) == 2 * 2 * kRows * kWidth + 4 * 2 * (kWidth + kRows));
  CHECK(bytes(column_sums(30, 20)) == 2 * kRows * kWidth + 2 * 4 * kWidth);
  CHECK(bytes(accumulate(30)) == 3 * 4 * kRows);
  // Four updated and one read in f32, the rounded weight, a mark for each 16, the rate.
  CHECK(bytes(adamw({32})) == 9 * 4 * 32 + 2 * 32 + 2 + 8);
  CHECK(bytes(adamw({.count = 32, .bf16_moments = true})) == 5 * 4 * 32 + 4 * 2 * 32 + 2 * 32 + 10);
  // Three updated and one read in f32, the rounded weight, a mark for each 16.
  CHECK(bytes(lion({32})) == 7 * 4 * 32 + 2 * 32 + 2);
  CHECK(bytes(cross_entropy({30, 20})) == (4 + 2) * kRows * kWidth + (4 + 8) * kRows);
}

TEST_CASE("Every kernel of bench layers has a name of its own at each size, and moves something",
          "[bench]") {
  for (const DType dtype : {DType::kBF16, DType::kF16, DType::kF32}) {
    std::vector<std::pair<std::string, std::string>> seen;
    for (const BenchCase& of : bench_cases(dtype)) {
      CAPTURE(of.kernel, of.size);
      const std::pair name(of.kernel, of.size);
      CHECK(std::count(seen.begin(), seen.end(), name) == 0);
      seen.push_back(name);
      CHECK(bytes_of(of.entry, dtype) > 1e6);
    }
    CHECK(seen.size() == 3 * 13 + 7);
  }
}

TEST_CASE("Operands to be timed are in their range and repeat", "[bench]") {
  Noise noise(Queue::cpu(1));
  TimedOperands operands(noise, DType::kF32);
  constexpr int64_t kCount = (int64_t{1} << 22) + 2;
  const View x = operands.input("x", {kCount}, {2, 3});
  const float* values = x.data<float>();
  CHECK(std::all_of(values, values + kCount, [](float v) { return v >= 2 && v <= 3; }));
  CHECK(values[0] != values[1]);
  CHECK(values[kCount - 2] == values[0]);
  const View tokens = operands.indices("tokens", {100}, 7);
  const int32_t* drawn = tokens.data<int32_t>();
  CHECK(std::all_of(drawn, drawn + 100, [](int32_t v) { return v >= 0 && v < 7; }));
  CHECK(*operands.input("marks", {1}, {}, Holds::kMarks).data<uint8_t>() == 1);
}
