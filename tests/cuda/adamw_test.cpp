// The GPU's AdamW against the CPU in f64, over several updates.
#include "parity.h"

using namespace parity;

TEST_CASE("AdamW on the GPU agrees with the specification", "[adamw]") {
  for (const int64_t n : {1, 31, 33, 255, 257, 4096, 100003}) {
    for (const DType dtype : {DType::kBF16, DType::kF16}) {
      for (const char* shifted : {"", "*"}) {  // nothing is aligned
        CAPTURE(n, name_of(dtype), shifted);
        const auto got = prove(proof::adamw({n}), dtype, {.shifted = shifted, .launches = 4});
        const Tensor weight = gpu_queue().to_host(got->operand("weight"));
        CHECK(same_bits(got->bits("rounded"), bytes_of(converted(weight, dtype))));
      }
    }
  }
}

TEST_CASE("AdamW on the GPU agrees where moments are small, as in training", "[adamw]") {
  for (const int64_t n : {257, 100003}) {
    prove(proof::adamw(
              {.count = n, .mean = {-0.1, 0.1}, .variance = {0, 0.1}, .beta2 = 0.95, .eps = 1e-6}),
          DType::kBF16, {.launches = 4});
  }
}

TEST_CASE("AdamW on the GPU does without average, rounded copy and decay marks", "[adamw]") {
  prove(proof::adamw({.count = 1000, .bare = true}), DType::kBF16, {.launches = 3});
}

// Once, for moments that the sides have rounded to neighbours differ by more from then on.
TEST_CASE("AdamW on the GPU agrees with moments in bf16", "[adamw]") {
  for (const int64_t n : {1, 31, 33, 257, 4096, 100003}) {
    for (const char* shifted : {"", "*"}) {
      prove(proof::adamw({.count = n, .bf16_moments = true}), DType::kBF16, {.shifted = shifted});
    }
  }
}

TEST_CASE("AdamW on the GPU rounds moments to bf16 by the random bits of the CPU", "[adamw]") {
  const proof::Entry entry = proof::adamw({.count = 100003, .bf16_moments = true});
  Side gpu(gpu_queue(), DType::kF32, 15), cpu(cpu_queue(), DType::kF32, 15);
  entry.make(gpu)();
  entry.make(cpu)();
  for (const char* moment : {"mean", "variance"}) {
    const std::vector<double> got = gpu.values(moment), want = cpu.values(moment);
    int64_t others = 0;  // the last digit of f32 decides of one in 65,536
    for (size_t i = 0; i < want.size(); ++i) others += got[i] == want[i] ? 0 : 1;
    CAPTURE(moment);
    CHECK(others < 50);
  }
}

TEST_CASE("AdamW on the GPU does nothing after a skipped step", "[adamw]") {
  Side side(gpu_queue(), DType::kBF16, 14);
  const proof::Launch launch = proof::adamw({.count = 1000, .skipped = true}).make(side);
  const std::vector<uint8_t> before = side.bits();
  launch();
  CHECK(same_bits(before, side.bits()));
}
