// Decoding on the GPU, position by position, against the CPU in double precision on the same
// rounded inputs. The caches start as NaN, so a slot that is read before it was written shows.
#include "parity.h"

using namespace parity;

namespace {

using Size = proof::AttentionSize;

void check(const Size& size, DType dtype, uint64_t seed) {
  prove(proof::attention_decode(size), dtype, {.seed = seed});
}

const char* const kPatterns[] = {"dense()",
                                 "local(7)",
                                 "column(5)",
                                 "fixed(8, 2)",
                                 "fixed(12, 3, 4)",
                                 "strided(5)",
                                 "local(6) + column(4)",
                                 "summary(8, 2) | block(8)",
                                 "strided(5) | dense() | fixed(9, 2)"};

struct Widths {
  int64_t qk, v;
};
// Up to the widest heads, 128.
constexpr Widths kWidths[] = {{1, 3},    {16, 16}, {64, 64}, {128, 128},
                              {64, 128}, {33, 20}, {128, 1}, {5, 128}};

}  // namespace

TEST_CASE("Decoding on the GPU agrees with double precision for every pattern", "[decode]") {
  uint64_t seed = 9000;
  for (const char* pattern : kPatterns) {
    for (const DType dtype : kActivationTypes) {
      for (const int64_t length : {1, 29}) {
        const Widths widths = kWidths[seed % std::size(kWidths)];
        check({pattern, 2, 3, length, widths.qk, widths.v}, dtype, seed++);
      }
    }
  }
}

// Small enough for compute-sanitizer.
TEST_CASE("Decoding on the GPU takes heads of 1 to 128 elements", "[decode][small]") {
  uint64_t seed = 9100;
  for (const Widths& widths : kWidths) {
    for (const DType dtype : kActivationTypes) {
      check({"fixed(4, 2) | local(3)", 2, 2, 11, widths.qk, widths.v}, dtype, seed++);
    }
  }
}

// A block takes 128 keys in a turn.
TEST_CASE("Decoding on the GPU takes keys for several turns of a block", "[decode]") {
  for (const DType dtype : kActivationTypes) {
    check({"fixed(64, 16) | dense()", 1, 2, 450, 32, 32}, dtype, 9200);
  }
}

TEST_CASE("Decoding a query without a key on the GPU gives zero, even over a poisoned cache",
          "[decode]") {
  for (const DType dtype : kActivationTypes) {
    const auto side = prove(proof::attention_decode({"summary(8, 2)", 2, 2, 19, 16, 16}), dtype);
    const std::vector<double> y = side->values("y");
    for (size_t t = 0; t < 19; ++t) {
      CAPTURE(name_of(dtype), t);
      const size_t second_sequence = 19 + t, second_head = second_sequence * 2 + 1;
      CHECK((y[second_head * 16] == 0) == (t < 6));
    }
  }
}

TEST_CASE("Decoding on the GPU survives logits far beyond the exponential's range", "[decode]") {
  const Size size{.pattern = "strided(8)",
                  .batch = 2,
                  .heads = 2,
                  .length = 20,
                  .qk = 16,
                  .v = 16,
                  .most = 100};
  for (const DType dtype : kActivationTypes) {
    const auto side = ran(proof::attention_decode(size), dtype, {.seed = 9400});
    CAPTURE(name_of(dtype));
    for (const double y : side->values("y")) CHECK(std::isfinite(y));
  }
}

TEST_CASE("Decoding on the GPU gives a sequence the same bits in any batch", "[decode]") {
  for (const int64_t width : {7, 64}) {  // element by element, and in packs
    CAPTURE(width);
    const Size together{"fixed(12, 3, 4)", 3, 2, 26, width, width};
    Size single = together;
    single.batch = 1;
    const auto all = ran(proof::attention_decode(together), DType::kBF16, {.seed = 9500});
    const std::vector<uint8_t> y = all->bits("y");
    const auto size = static_cast<int64_t>(y.size()) / 3;
    for (int64_t b = 0; b < 3; ++b) {
      CAPTURE(b);
      Side one(gpu_queue(), DType::kBF16, 9501);
      const proof::Launch launch = proof::attention_decode(single).make(one);
      const Tensor sequence = gpu_queue().to_host(all->operand("qkv").slice(0, b, 1));
      gpu_queue().upload(one.operand("qkv"), sequence.view().raw());
      launch();
      CHECK(same_bits(one.bits("y"), {y.begin() + b * size, y.begin() + (b + 1) * size}));
    }
  }
}
