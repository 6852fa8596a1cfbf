// Attention on the GPU against the CPU in double precision on the same rounded inputs: the kernels
// for every GPU, also where there are others (attention_sm90_test.cpp).
#include "../kernels/attention_reference.h"
#include "../nn/tiny_model.h"
#include "parity.h"

using namespace parity;

namespace {

using Size = proof::AttentionSize;

void check(const Size& size, DType dtype, uint64_t seed) {
  prove(proof::attention(size), dtype,
        {.seed = seed, .queue = &gpu_queue(cuda::AttentionKernels::kGeneral)});
}

struct Widths {
  int64_t qk, v;
};
constexpr Widths kWidths[] = {{16, 16}, {64, 64}, {32, 32},   {20, 20},  {64, 128}, {16, 32},
                              {1, 3},   {80, 80}, {128, 128}, {128, 40}, {33, 64}};

}  // namespace

TEST_CASE("Attention on the GPU agrees with double precision for every pattern", "[attention]") {
  uint64_t seed = 5000;
  std::vector<std::string> patterns(std::begin(kAttentionPatterns), std::end(kAttentionPatterns));
  for (const auto& layers : all_combinations()) {
    patterns.insert(patterns.end(), layers.begin(), layers.end());
  }
  for (const std::string& pattern : patterns) {
    for (const DType dtype : kActivationTypes) {
      for (const int64_t length : {1, 64, 65, 131}) {
        const Widths widths = kWidths[seed % std::size(kWidths)];
        check({pattern, 2, 3, length, widths.qk, widths.v}, dtype, seed++);
      }
    }
  }
}

TEST_CASE("Attention on the GPU takes heads of 1 to 128 elements and any length", "[attention]") {
  uint64_t seed = 7000;
  for (const Widths& widths : kWidths) {
    for (const DType dtype : kActivationTypes) {
      for (const int64_t length : {1, 63, 127, 129, 257}) {
        const char* pattern = seed % 2 == 0 ? "fixed(12, 3, 4)" : "strided(8) | summary(8, 2)";
        check({pattern, 2, 2, length, widths.qk, widths.v}, dtype, seed++);
      }
    }
  }
}

TEST_CASE("Attention on the GPU agrees at the strides of the paper's models",
          "[attention][large]") {
  uint64_t seed = 8000;
  for (const char* pattern : {"fixed(128, 32)", "strided(128)", "local(96)", "column(96)",
                              "column(40)", "dense()", "fixed(128, 32, 4) | strided(96)"}) {
    for (const Widths& widths : {Widths{64, 64}, Widths{64, 128}, Widths{32, 32}}) {
      check({pattern, 1, 2, 1031, widths.qk, widths.v}, DType::kBF16, seed++);
    }
  }
}

// Small enough for compute-sanitizer, and every kernel is in it.
TEST_CASE("Every attention kernel agrees at a small size", "[attention][small]") {
  uint64_t seed = 8050;
  for (const Widths& widths : {Widths{32, 32}, Widths{64, 64}, Widths{64, 128}, Widths{128, 128},
                               Widths{20, 20}, Widths{7, 9}}) {
    for (const DType dtype : kActivationTypes) {
      check({"fixed(12, 3, 4) | strided(8) | summary(8, 2)", 1, 3, 137, widths.qk, widths.v}, dtype,
            seed++);
    }
  }
}

TEST_CASE("A query without a key gets zero and minus infinity on the GPU", "[attention]") {
  for (const DType dtype : kActivationTypes) {
    check({"summary(8, 2, 2)", 2, 2, 19, 16, 16}, dtype, 8100);
    check({"summary(128, 32)", 1, 2, 300, 64, 64}, dtype, 8101);
  }
}

TEST_CASE("Dense attention cut into blocks and the rest equals dense attention", "[attention]") {
  for (const DType dtype : kActivationTypes) {
    const How how{.seed = 8200};
    const auto whole = ran(proof::attention({"dense()", 2, 2, 301, 32, 32}), dtype, how);
    // The block of 48 of each query, and all keys before it; a summary of a whole block is dense.
    const auto cut =
        ran(proof::attention({"block(48) + summary(48, 48)", 2, 2, 301, 32, 32}), dtype, how);
    for (const proof::Finding& found : proof::findings(*cut, *whole)) {
      CAPTURE(name_of(dtype), found.result);
      CHECK(found.error <= 2 * found.limit);
    }
  }
}

TEST_CASE("Attention on the GPU survives logits far beyond the exponential's range",
          "[attention]") {
  for (const DType dtype : kActivationTypes) {
    for (const char* pattern : {"dense()", "strided(8)", "fixed(8, 2)"}) {
      const Size size{.pattern = pattern,
                      .batch = 1,
                      .heads = 2,
                      .length = 70,
                      .qk = 16,
                      .v = 16,
                      .most = 100,
                      .most_dy = 0.01};
      const auto side = ran(proof::attention(size), dtype, {.seed = 8300});
      CAPTURE(pattern, name_of(dtype));
      for (const Side::Result& result : side->results()) {
        CAPTURE(result.name);
        const std::vector<double> values = result.read();
        CHECK(std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); }));
      }
    }
  }
}

TEST_CASE("What comes after a position does not change its attention, bit for bit", "[attention]") {
  constexpr int64_t kLength = 150, kChanged = 77;
  for (const char* pattern : {"dense()", "strided(8)", "fixed(12, 3, 4)", "local(7)"}) {
    const proof::Entry entry = proof::attention({pattern, 1, 2, kLength, 32, 32});
    const auto before = ran(entry, DType::kBF16, {.seed = 8400});
    const auto others = ran(entry, DType::kBF16, {.seed = 8401});
    Side after(gpu_queue(), DType::kBF16, 8400);
    const proof::Launch launch = entry.make(after);
    const auto tail = [](const View& whole) {
      return whole.slice(1, kChanged, kLength - kChanged);
    };
    const Tensor changed = gpu_queue().to_host(tail(others->operand("qkv")));
    gpu_queue().upload(tail(after.operand("qkv")), changed.view().raw());
    launch();
    CAPTURE(pattern);
    const std::vector<uint8_t> a = before->bits("y"), b = after.bits("y");
    const auto kept = kChanged * static_cast<int64_t>(a.size()) / kLength;
    CHECK(std::equal(a.begin(), a.begin() + kept, b.begin()));
    CHECK(!same_bits(a, b));
  }
}
