// Decoding on the GPU, position by position, against the CPU in double precision on the same
// rounded inputs. The caches start as NaN, so a slot that is read before it was written shows.
#include "lacuna/kernels/attention_decode.h"

#include "../catch.h"
#include "../compare.h"
#include "../kernels/attention_reference.h"
#include "layer_tolerances.h"
#include "parity.h"

using namespace parity;

namespace {

// Logits, weights and sums are in f32, as in attention_test.cpp where lse is held to 1e-5; unlike
// there nothing but y is rounded, once.
double tolerance_of(DType dtype) {
  return unit(dtype) + 1e-5;
}

// The memory of one side.
struct Views {
  View fused, keys, values, y;
};

struct Decoding {
  Decoding(const AttentionCase& c, DType dtype, uint64_t seed, double most = 1.5)
      : problem(c, seed),
        slots(sparse::head_slots(problem.passes, c.length)),
        fused(both(problem.random.tensor<double>(problem.fused.shape(), -most, most), dtype)),
        keys(cache(c.qk), dtype),
        values(cache(c.v), dtype),
        y(problem.dy.shape(), dtype) {}

  Shape cache(int64_t width) const {
    return {problem.c.batch, problem.c.heads, sparse::most_slots(slots), width};
  }

  AttentionDecode op(const Views& x, int64_t t, const DecodeState* state) const {
    const AttentionCase& c = problem.c;
    const auto at = [&](const View& whole) { return whole.slice(1, t, 1); };
    return {.q = at(problem.part(x.fused, 0)),
            .k = at(problem.part(x.fused, 1)),
            .v = at(problem.part(x.fused, 2)),
            .keys = x.keys,
            .values = x.values,
            .y = at(x.y.split_last(c.heads, c.v)),
            .scale = 1 / std::sqrt(static_cast<double>(c.qk)),
            .passes = &problem.passes,
            .slots = &slots,
            .state = state};
  }

  void run_on_gpu() const {
    const Tensor memory = gpu_queue().zeros({int64_t{sizeof(DecodeState)}}, DType::kU8);
    const auto* on_gpu = static_cast<const DecodeState*>(memory.view().raw());
    for (int64_t t = 0; t < problem.c.length; ++t) {
      const DecodeState state{t};
      gpu_queue().upload(memory, &state);
      run(cuda::Backend{}, gpu_queue(), op({fused.gpu, keys, values, y}, t, on_gpu));
    }
  }
  bool intact() const { return y.intact() && keys.intact() && values.intact(); }

  std::vector<double> wanted() const {
    Guarded<double> exact_keys(keys.view().shape()), exact_values(values.view().shape());
    Guarded<double> exact_y(y.view().shape());
    const Views views{fused.exact, exact_keys, exact_values, exact_y};
    for (int64_t t = 0; t < problem.c.length; ++t) {
      const DecodeState state{t};
      run(cpu::Backend{}, cpu_queue(), op(views, t, &state));
    }
    return exact_y.values();
  }

  AttentionProblem<double> problem;
  HeadSlots slots;
  Both fused;
  GuardedGpu keys, values, y;
};

void check(const AttentionCase& c, DType dtype, uint64_t seed) {
  CAPTURE(c.pattern, c.length, c.batch, c.heads, c.qk, c.v, name_of(dtype), seed);
  const Decoding decoding(c, dtype, seed);
  decoding.run_on_gpu();
  CHECK(relative_error(decoding.y.values(), decoding.wanted()) <= tolerance_of(dtype));
  CHECK(decoding.intact());
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
        check({pattern, length, 2, 3, widths.qk, widths.v}, dtype, seed++);
      }
    }
  }
}

// Small enough for compute-sanitizer.
TEST_CASE("Decoding on the GPU takes heads of 1 to 128 elements", "[decode][small]") {
  uint64_t seed = 9100;
  for (const Widths& widths : kWidths) {
    for (const DType dtype : kActivationTypes) {
      check({"fixed(4, 2) | local(3)", 11, 2, 2, widths.qk, widths.v}, dtype, seed++);
    }
  }
}

// A block takes 128 keys in a turn.
TEST_CASE("Decoding on the GPU takes keys for several turns of a block", "[decode]") {
  for (const DType dtype : kActivationTypes) {
    check({"fixed(64, 16) | dense()", 450, 1, 2, 32, 32}, dtype, 9200);
  }
}

TEST_CASE("Decoding a query without a key on the GPU gives zero, even over a poisoned cache",
          "[decode]") {
  for (const DType dtype : kActivationTypes) {
    const Decoding decoding({"summary(8, 2)", 19, 2, 2, 16, 16}, dtype, 9300);
    decoding.run_on_gpu();
    const std::vector<double> y = decoding.y.values();
    const AttentionIndex at{decoding.problem.c};
    for (int64_t i = 0; i < 19; ++i) {
      CAPTURE(name_of(dtype), i);
      CHECK((y[at.y(1, i, 1, 0)] == 0) == (i < 6));
    }
  }
}

TEST_CASE("Decoding on the GPU survives logits far beyond the exponential's range", "[decode]") {
  for (const DType dtype : kActivationTypes) {
    const Decoding decoding({"strided(8)", 20, 2, 2, 16, 16}, dtype, 9400, 100);
    decoding.run_on_gpu();
    CAPTURE(name_of(dtype));
    for (const double y : decoding.y.values()) CHECK(std::isfinite(y));
  }
}

TEST_CASE("Decoding on the GPU gives a sequence the same bits in any batch", "[decode]") {
  for (const int64_t width : {7, 64}) {  // element by element, and in packs
    CAPTURE(width);
    const AttentionCase together{"fixed(12, 3, 4)", 26, 3, 2, width, width};
    AttentionCase single = together;
    single.batch = 1;
    const Decoding all(together, DType::kBF16, 9500);
    all.run_on_gpu();
    const std::vector<uint8_t> y = all.y.bits();
    const auto size = static_cast<int64_t>(y.size()) / 3;
    for (int64_t b = 0; b < 3; ++b) {
      CAPTURE(b);
      Decoding one(single, DType::kBF16, 9501);
      one.fused.gpu = gpu_queue().zeros(one.fused.gpu.shape(), DType::kBF16);
      gpu_queue().upload(one.fused.gpu,
                         gpu_queue().to_host(all.fused.gpu.view().slice(0, b, 1)).view().raw());
      one.run_on_gpu();
      CHECK(same_bits({y.begin() + b * size, y.begin() + (b + 1) * size}, one.y.bits()));
    }
  }
}
