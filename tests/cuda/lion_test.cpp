// The GPU's Lion against the CPU in f64, over several updates.
#include "parity.h"

using namespace parity;

TEST_CASE("Lion on the GPU agrees with the specification", "[lion]") {
  for (const int64_t n : {1, 31, 33, 255, 257, 4096, 100003}) {
    for (const DType dtype : {DType::kBF16, DType::kF16}) {
      for (const char* shifted : {"", "*"}) {  // nothing is aligned
        CAPTURE(n, name_of(dtype), shifted);
        const auto got = prove(proof::lion({n}), dtype, {.shifted = shifted, .launches = 4});
        const Tensor weight = gpu_queue().to_host(got->operand("weight"));
        CHECK(same_bits(got->bits("rounded"), bytes_of(converted(weight, dtype))));
      }
    }
  }
}

// Before they are rounded, both sides have the same numbers, so the random bits must be the same.
TEST_CASE("Lion on the GPU rounds its momentum to bf16 by the random bits of the CPU", "[lion]") {
  for (const int64_t n : {1, 31, 33, 257, 4096, 100003}) {
    for (const char* shifted : {"", "*"}) {
      prove(proof::lion({.count = n, .bf16_moments = true}), DType::kBF16,
            {.shifted = shifted, .launches = 4});
    }
  }
}

TEST_CASE("Lion on the GPU does without average, rounded copy and decay marks", "[lion]") {
  prove(proof::lion({.count = 1000, .bare = true}), DType::kBF16, {.launches = 3});
}

TEST_CASE("Lion on the GPU does nothing after a skipped step", "[lion]") {
  Side side(gpu_queue(), DType::kBF16, 14);
  const proof::Launch launch = proof::lion({.count = 1000, .skipped = true}).make(side);
  const std::vector<uint8_t> before = side.bits();
  launch();
  CHECK(same_bits(before, side.bits()));
}
