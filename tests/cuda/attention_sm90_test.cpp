// Hopper's attention kernels against the CPU in double precision. Elsewhere there is nothing to
// test: each case ends at once.
#include <cstring>

#include "../kernels/attention_reference.h"
#include "parity.h"

using namespace parity;

namespace {

using Size = proof::AttentionSize;

bool on_hopper() {
  const std::vector<std::string> gpus = cuda::describe_gpus();
  return gpus.at(0).find("sm_90") != std::string::npos;
}

constexpr struct { int64_t qk, v; } kWidths[] = {{32, 32}, {64, 64}, {64, 128}, {128, 128}};
constexpr DType kTypes[] = {DType::kBF16, DType::kF16};

/// As near to the CPU's results as the table of tolerances says, nothing written beside the
/// operands, and the same bits each of `runs` times.
void check(const Size& size, DType dtype, uint64_t seed, int runs = 10) {
  const proof::Entry entry = proof::attention(size);
  CAPTURE(entry.name, name_of(dtype), size.fused, size.most, seed);
  Side got(gpu_queue(), dtype, seed);
  const proof::Launch launch = entry.make(got);
  launch();
  Side want(cpu_queue(), got);
  entry.make(want)();
  // Where nearly all of a softmax is one key, dq and dk are small differences of large terms, whose
  // roundings the table holds against the result.
  const bool cancels = size.most > 1.5;
  for (const proof::Finding& found : proof::findings(got, want)) {
    if (cancels && (found.result == "dq" || found.result == "dk")) continue;
    CAPTURE(found.result);
    CHECK(found.error <= found.limit);
  }
  const std::vector<uint8_t> first = got.bits();
  for (int run = 1; run < runs; ++run) {
    CAPTURE(run);
    launch();
    REQUIRE(same_bits(first, got.bits()));
  }
}

/// Numbers of a fixed sequence.
class Draw {
 public:
  explicit Draw(uint64_t seed) : random_(seed) {}
  int64_t below(int64_t count) {
    return static_cast<int64_t>(random_() % static_cast<uint64_t>(count));
  }
  template <class T, size_t kCount>
  const T& of(const T (&choices)[kCount]) {
    return choices[below(kCount)];
  }

 private:
  std::mt19937_64 random_;
};

}  // namespace

TEST_CASE("Hopper's kernels are others than the general ones", "[attention][sm90]") {
  if (!on_hopper()) return;
  for (const auto& widths : kWidths) {
    const proof::Entry entry = proof::attention({"dense()", 1, 2, 300, widths.qk, widths.v});
    Side general(gpu_queue(cuda::AttentionKernels::kGeneral), DType::kBF16, 9000);
    Side sm90(gpu_queue(), DType::kBF16, 9000);
    entry.make(general)();
    entry.make(sm90)();
    CAPTURE(widths.qk, widths.v);
    CHECK(!same_bits(general.bits("lse"), sm90.bits("lse")));
  }
}

// Small enough for compute-sanitizer: merged passes, lanes that share a tile, ragged ends, what is
// copied by hand.
TEST_CASE("Hopper's kernels agree at a small size", "[attention][sm90][sm90small]") {
  if (!on_hopper()) return;
  uint64_t seed = 9050;
  for (const auto& widths : kWidths) {
    for (const DType dtype : kTypes) {
      for (const char* pattern : {"fixed(16, 4)", "strided(8)", "summary(12, 3)"}) {
        check({pattern, 1, 2, 137, widths.qk, widths.v}, dtype, seed++, 2);
      }
    }
  }
}

TEST_CASE("Hopper's kernels agree with double precision for every pattern", "[attention][sm90]") {
  if (!on_hopper()) return;
  uint64_t seed = 9100;
  for (const char* pattern : kAttentionPatterns) {
    for (const int64_t length : {1, 15, 64, 128, 131, 260}) {
      const auto& widths = kWidths[seed % std::size(kWidths)];
      check({pattern, 2, 3, length, widths.qk, widths.v}, kTypes[seed / 4 % 2], seed);
      ++seed;
    }
  }
}

TEST_CASE("Hopper's kernels agree around the borders of tiles", "[attention][sm90]") {
  if (!on_hopper()) return;
  uint64_t seed = 9400;
  for (const char* pattern :
       {"dense()", "local(64)", "local(128)", "local(129)", "block(128)", "fixed(128, 32)",
        "fixed(128, 128)", "strided(64)", "column(2)", "summary(128, 32)"}) {
    for (const int64_t length : {63, 64, 65, 127, 128, 129, 255, 256, 257, 383, 385, 640}) {
      const auto& widths = kWidths[seed % std::size(kWidths)];
      check({pattern, 2, 2, length, widths.qk, widths.v}, kTypes[seed / 4 % 2], seed);
      ++seed;
    }
  }
}

TEST_CASE("Hopper's kernels agree at the strides of the paper's models", "[attention][sm90]") {
  if (!on_hopper()) return;
  uint64_t seed = 9600;
  for (const char* pattern :
       {"fixed(128, 32)", "strided(128)", "strided(96)", "local(96)", "column(96)", "column(40)",
        "dense()", "fixed(128, 32, 4) | strided(96)", "fixed(512, 32)", "fixed(64, 64, 1)",
        "block(1024) + summary(1024, 1024)", "block(48) + summary(48, 48)"}) {
    for (const auto& widths : kWidths) {
      for (const int64_t length : {1031, 3072}) {
        check({pattern, 1, 2, length, widths.qk, widths.v}, kTypes[seed % 2], seed, 3);
        ++seed;
      }
    }
  }
}

// A warpgroup passes over more tiles in a row than the ring has places.
TEST_CASE("Hopper's kernels agree where one half of an item sees nothing of many tiles",
          "[attention][sm90]") {
  if (!on_hopper()) return;
  uint64_t seed = 9900;
  for (const char* pattern :
       {"local(64) + summary(192, 8)", "local(192) + summary(192, 32)", "fixed(192, 160)",
        "fixed(320, 256)", "fixed(448, 384)", "fixed(832, 416)"}) {
    for (const auto& widths : kWidths) {
      check({pattern, 1, 2, 900, widths.qk, widths.v}, kTypes[seed % 2], seed, 2);
      ++seed;
    }
  }
}

TEST_CASE("Hopper's kernels agree for random sizes and inputs", "[attention][sm90]") {
  if (!on_hopper()) return;
  constexpr const char* kMore[] = {"fixed(32, 8)",
                                   "fixed(48, 16, 3)",
                                   "strided(17, window=paper)",
                                   "local(200)",
                                   "summary(64, 16)",
                                   "summary(20, 5)",
                                   "column(33)",
                                   "block(100)",
                                   "fixed(256, 128)",
                                   "strided(128)",
                                   "local(32) + summary(64, 8)",
                                   "dense() | column(50)"};
  for (uint64_t seed = 10000; seed < 10200; ++seed) {
    Draw draw(seed);
    const auto& widths = draw.of(kWidths);
    Size size{.pattern = draw.below(2) == 0 ? draw.of(kMore) : draw.of(kAttentionPatterns),
              .batch = 1 + draw.below(3),
              .heads = 1 + draw.below(4),
              .length = 1 + draw.below(draw.below(2) == 0 ? 150 : 900),
              .qk = widths.qk,
              .v = widths.v,
              .fused = draw.below(2) == 0};
    // Logits that are all nearly equal, of the usual size, and so far apart that few keys count.
    size.most = draw.below(3) == 0 ? 0.01 : draw.below(2) == 0 ? 1.5 : 4;
    check(size, draw.of(kTypes), seed);
  }
}

TEST_CASE("A query without a key gets zero and minus infinity from Hopper's kernels",
          "[attention][sm90]") {
  if (!on_hopper()) return;
  uint64_t seed = 10300;
  for (const auto& widths : kWidths) {
    for (const DType dtype : kTypes) {
      check({"summary(8, 2, 2)", 2, 2, 19, widths.qk, widths.v}, dtype, seed++);
      check({"summary(128, 32)", 1, 2, 300, widths.qk, widths.v}, dtype, seed++);
      check({"summary(512, 32)", 1, 2, 400, widths.qk, widths.v}, dtype, seed++);
    }
  }
}

TEST_CASE("Hopper's kernels survive logits far beyond the exponential's range",
          "[attention][sm90]") {
  if (!on_hopper()) return;
  for (const auto& widths : kWidths) {
    for (const DType dtype : kTypes) {
      for (const char* pattern : {"dense()", "strided(8)", "fixed(8, 2)", "local(130)"}) {
        Size size{pattern, 1, 2, 270, widths.qk, widths.v};
        size.most = 100;
        size.most_dy = 0.01;
        Side side(gpu_queue(), dtype, 10400);
        proof::attention(size).make(side)();
        CAPTURE(pattern, name_of(dtype), widths.qk, widths.v);
        for (const Side::Result& result : side.results()) {
          CAPTURE(result.name);
          const std::vector<double> values = result.read();
          CHECK(
              std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); }));
        }
      }
    }
  }
}

TEST_CASE("Hopper's kernels read no sequence but their own", "[attention][sm90]") {
  if (!on_hopper()) return;
  for (const auto& widths : kWidths) {
    for (const char* pattern : {"dense()", "column(40)", "strided(8)", "summary(12, 3)",
                                "fixed(64, 16)", "local(5) + summary(8, 2)", "column(2)"}) {
      for (const int64_t length : {33, 131, 200, 301}) {
        const proof::Entry entry = proof::attention({pattern, 3, 2, length, widths.qk, widths.v});
        Side before(gpu_queue(), DType::kBF16, 10500), after(gpu_queue(), DType::kBF16, 10500);
        entry.make(before)();
        const proof::Launch launch = entry.make(after);
        for (const int64_t other : {0, 2}) {
          gpu_queue().fill(after.operand("qkv").slice(0, other, 1), 0xFF);  // NaN
        }
        launch();
        CAPTURE(pattern, length, widths.qk, widths.v);
        for (const char* output : {"y", "lse"}) {
          const std::vector<uint8_t> a = before.bits(output), b = after.bits(output);
          const size_t third = a.size() / 3;
          CHECK(std::memcmp(a.data() + third, b.data() + third, third) == 0);
        }
      }
    }
  }
}

TEST_CASE("What comes after a position does not change what Hopper's kernels give it",
          "[attention][sm90]") {
  if (!on_hopper()) return;
  constexpr int64_t kLength = 450, kChanged = 277;
  for (const auto& widths : kWidths) {
    for (const char* pattern : {"dense()", "strided(8)", "fixed(12, 3, 4)", "local(150)"}) {
      const proof::Entry entry = proof::attention({pattern, 1, 2, kLength, widths.qk, widths.v});
      Side before(gpu_queue(), DType::kBF16, 10600), after(gpu_queue(), DType::kBF16, 10600);
      entry.make(before)();
      const proof::Launch launch = entry.make(after);
      gpu_queue().fill(after.operand("qkv").slice(1, kChanged, kLength - kChanged), 0x3F);
      launch();
      CAPTURE(pattern, widths.qk, widths.v);
      const std::vector<uint8_t> a = before.bits("y"), b = after.bits("y");
      const auto kept = kChanged * static_cast<int64_t>(a.size()) / kLength;
      CHECK(std::equal(a.begin(), a.begin() + kept, b.begin()));
      CHECK(!same_bits(a, b));
    }
  }
}
