// Attention on the GPU against the CPU in double precision on the same rounded inputs.
#include "lacuna/kernels/attention.h"

#include "../catch.h"
#include "../compare.h"
#include "../kernels/attention_reference.h"
#include "../nn/tiny_model.h"
#include "parity.h"

using namespace lacuna;
using namespace parity;

namespace {

// How far results may be from f64, as relative_error() measures it (largest error over the largest
// element); u is half a unit in the last place of the stored type.
struct AttentionTolerance {
  // Weights are rounded for the second product (errors of u at most, mostly averaging out), and y
  // once per stage: at most two.
  double y;
  // f32 throughout: logits of about 10 to 2^-23, exponentials to 2^-22, sums of up to 1000 terms.
  double lse;
  // As y, with the weights' slopes rounded too, delta from a rounded y, and gradients that are
  // rounded once per stage and added to.
  double gradients;
};

AttentionTolerance tolerance_of(DType dtype) {
  switch (dtype) {
    case DType::kBF16:
      return {2 * 0x1p-8, 1e-5, 4 * 0x1p-8};
    case DType::kF16:
      return {2 * 0x1p-11, 1e-5, 4 * 0x1p-11};
    default:
      return {1e-5, 1e-5, 1e-5};
  }
}

// The views of a layer's tensors, in the layout of the fused projection.
View part(const AttentionCase& c, const View& whole, int which) {
  const int64_t qk = c.heads * c.qk, v = c.heads * c.v;
  return which < 2 ? whole.slice(2, which * qk, qk).split_last(c.heads, c.qk)
                   : whole.slice(2, 2 * qk, v).split_last(c.heads, c.v);
}

struct Views {
  View fused, dy, y, lse, dfused, delta;
};

template <class Where>
void run_both(Where, Queue& queue, const AttentionCase& c, const Views& x,
              const HeadPasses& passes) {
  const double scale = 1 / std::sqrt(static_cast<double>(c.qk));
  const View y = x.y.split_last(c.heads, c.v);
  run(Where{}, queue,
      AttentionForward{part(c, x.fused, 0), part(c, x.fused, 1), part(c, x.fused, 2), y, x.lse,
                       scale, &passes});
  run(Where{}, queue,
      AttentionBackward{part(c, x.fused, 0), part(c, x.fused, 1), part(c, x.fused, 2), y, x.lse,
                        x.dy.split_last(c.heads, c.v), part(c, x.dfused, 0), part(c, x.dfused, 1),
                        part(c, x.dfused, 2), x.delta, scale, &passes});
}

HeadPasses passes_of(const std::string& pattern, int64_t heads, int64_t length) {
  return sparse::head_passes(*sparse::parse_pattern(pattern), heads, length);
}

// Outputs on the GPU, poisoned and guarded.
struct Outputs {
  GuardedGpu y, lse, dfused, delta;

  Outputs(const AttentionCase& c, DType dtype)
      : y({c.batch, c.length, c.heads * c.v}, dtype),
        lse({c.batch, c.heads, c.length}, DType::kF32),
        dfused({c.batch, c.length, c.fused()}, dtype),
        delta({c.batch, c.heads, c.length}, DType::kF32) {}

  void compute(const AttentionCase& c, const Both& fused, const Both& dy,
               const HeadPasses& passes) {
    run_both(cuda::Backend{}, gpu_queue(), c, {fused.gpu, dy.gpu, y, lse, dfused, delta}, passes);
  }
  bool intact() const { return y.intact() && lse.intact() && dfused.intact() && delta.intact(); }
  bool same_bits_as(const Outputs& other) const {
    return y.bits() == other.y.bits() && lse.bits() == other.lse.bits() &&
           dfused.bits() == other.dfused.bits();
  }
};

// The parts of [B, T, fused] gradients, one after the other: each is compared on its own scale.
std::vector<double> part_values(const AttentionCase& c, const std::vector<double>& fused,
                                int which) {
  const int64_t begin = which * c.heads * c.qk;
  const int64_t width = c.heads * (which < 2 ? c.qk : c.v);
  std::vector<double> values;
  for (int64_t row = 0; row < c.batch * c.length; ++row) {
    const auto from = fused.begin() + row * c.fused() + begin;
    values.insert(values.end(), from, from + width);
  }
  return values;
}

// As relative_error(), but gradients are held against no less than 0.2, the size of the terms that
// they are sums of: where a query has one key, dq and dk are differences that are zero in f64.
double gradient_error(const std::vector<double>& got, const std::vector<double>& wanted) {
  double largest = 0.2, worst = 0;
  for (size_t i = 0; i < wanted.size(); ++i) {
    const double error = std::fabs(got[i] - wanted[i]);
    if (!(error < HUGE_VAL)) return HUGE_VAL;
    worst = std::max(worst, error);
    largest = std::max(largest, std::fabs(wanted[i]));
  }
  return worst / largest;
}

void check(const AttentionCase& c, DType dtype, uint64_t seed) {
  CAPTURE(c.pattern, c.length, c.batch, c.heads, c.qk, c.v, name_of(dtype), seed);
  Random random(seed);
  const Both fused = random_both(random, {c.batch, c.length, c.fused()}, dtype, -1.5, 1.5);
  const Both dy = random_both(random, {c.batch, c.length, c.heads * c.v}, dtype);
  const HeadPasses passes = passes_of(c.pattern, c.heads, c.length);
  Guarded<double> y(dy.exact.shape()), lse(Shape{c.batch, c.heads, c.length}),
      dfused(fused.exact.shape()), delta(Shape{c.batch, c.heads, c.length});
  run_both(cpu::Backend{}, cpu_queue(), c,
           {fused.exact, dy.exact, y.view(), lse.view(), dfused.view(), delta.view()}, passes);

  Outputs once(c, dtype), twice(c, dtype);
  once.compute(c, fused, dy, passes);
  twice.compute(c, fused, dy, passes);
  const AttentionTolerance tolerance = tolerance_of(dtype);
  CHECK(relative_error(once.y.values(), y.values()) <= tolerance.y);
  CHECK(relative_error(once.lse.values(), lse.values()) <= tolerance.lse);
  const std::vector<double> got = once.dfused.values(), wanted = dfused.values();
  for (int which = 0; which < 3; ++which) {
    CAPTURE(which);
    CHECK(gradient_error(part_values(c, got, which), part_values(c, wanted, which)) <=
          tolerance.gradients);
  }
  CHECK(once.intact());
  CHECK(once.same_bits_as(twice));
}

constexpr DType kTypes[] = {DType::kF32, DType::kBF16, DType::kF16};

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
    for (const DType dtype : kTypes) {
      for (const int64_t length : {1, 64, 65, 131}) {
        const Widths widths = kWidths[seed % std::size(kWidths)];
        check({pattern, length, 2, 3, widths.qk, widths.v}, dtype, seed++);
      }
    }
  }
}

TEST_CASE("Attention on the GPU takes heads of 1 to 128 elements and any length", "[attention]") {
  uint64_t seed = 7000;
  for (const Widths& widths : kWidths) {
    for (const DType dtype : kTypes) {
      for (const int64_t length : {1, 63, 127, 129, 257}) {
        const char* pattern = seed % 2 == 0 ? "fixed(12, 3, 4)" : "strided(8) | summary(8, 2)";
        check({pattern, length, 2, 2, widths.qk, widths.v}, dtype, seed++);
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
      check({pattern, 1031, 1, 2, widths.qk, widths.v}, DType::kBF16, seed++);
    }
  }
}

// Small enough for compute-sanitizer, and every kernel is in it.
TEST_CASE("Every attention kernel agrees at a small size", "[attention][small]") {
  uint64_t seed = 8050;
  for (const Widths& widths : {Widths{32, 32}, Widths{64, 64}, Widths{64, 128}, Widths{128, 128},
                               Widths{20, 20}, Widths{7, 9}}) {
    for (const DType dtype : kTypes) {
      check({"fixed(12, 3, 4) | strided(8) | summary(8, 2)", 137, 1, 3, widths.qk, widths.v}, dtype,
            seed++);
    }
  }
}

TEST_CASE("A query without a key gets zero and minus infinity on the GPU", "[attention]") {
  for (const DType dtype : kTypes) {
    check({"summary(8, 2, 2)", 19, 2, 2, 16, 16}, dtype, 8100);
    check({"summary(128, 32)", 300, 1, 2, 64, 64}, dtype, 8101);
  }
}

TEST_CASE("Dense attention cut into blocks and the rest equals dense attention", "[attention]") {
  for (const DType dtype : kTypes) {
    const AttentionCase c{"dense()", 301, 2, 2, 32, 32};
    Random random(8200);
    const Both fused = random_both(random, {c.batch, c.length, c.fused()}, dtype, -1.5, 1.5);
    const Both dy = random_both(random, {c.batch, c.length, c.heads * c.v}, dtype);
    Outputs whole(c, dtype);
    whole.compute(c, fused, dy, passes_of("dense()", c.heads, c.length));
    // The block of 48 of each query, and all keys before it; a summary of a whole block is dense.
    Outputs cut(c, dtype);
    cut.compute(c, fused, dy, passes_of("block(48) + summary(48, 48)", c.heads, c.length));
    CAPTURE(name_of(dtype));
    const AttentionTolerance tolerance = tolerance_of(dtype);
    CHECK(relative_error(cut.y.values(), whole.y.values()) <= 2 * tolerance.y);
    CHECK(relative_error(cut.lse.values(), whole.lse.values()) <= 2 * tolerance.lse);
    CHECK(relative_error(cut.dfused.values(), whole.dfused.values()) <= 2 * tolerance.gradients);
  }
}

TEST_CASE("Attention on the GPU survives logits far beyond the exponential's range",
          "[attention]") {
  for (const DType dtype : kTypes) {
    for (const char* pattern : {"dense()", "strided(8)", "fixed(8, 2)"}) {
      const AttentionCase c{pattern, 70, 1, 2, 16, 16};
      Random random(8300);
      const Both fused = random_both(random, {1, 70, c.fused()}, dtype, -100, 100);
      const Both dy = random_both(random, {1, 70, c.heads * c.v}, dtype, -0.01, 0.01);
      Outputs outputs(c, dtype);
      outputs.compute(c, fused, dy, passes_of(pattern, c.heads, c.length));
      CAPTURE(pattern, name_of(dtype));
      for (const GuardedGpu* x : {&outputs.y, &outputs.lse, &outputs.dfused}) {
        const std::vector<double> values = x->values();
        CHECK(std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); }));
      }
    }
  }
}

TEST_CASE("What comes after a position does not change its attention, bit for bit", "[attention]") {
  for (const char* pattern : {"dense()", "strided(8)", "fixed(12, 3, 4)", "local(7)"}) {
    const AttentionCase c{pattern, 150, 1, 2, 32, 32};
    const HeadPasses passes = passes_of(pattern, c.heads, c.length);
    Random random(8400);
    Tensor drawn = random.tensor<double>({1, c.length, c.fused()});
    const Both dy = random_both(random, {1, c.length, c.heads * c.v}, DType::kBF16);
    Outputs before(c, DType::kBF16), after(c, DType::kBF16);
    before.compute(c, both(drawn, DType::kBF16), dy, passes);
    constexpr int64_t kChanged = 77;
    for (int64_t i = kChanged * c.fused(); i < drawn.view().count(); ++i) {
      drawn.view().data<double>()[i] = random.uniform(-1, 1);
    }
    after.compute(c, both(drawn, DType::kBF16), dy, passes);
    CAPTURE(pattern);
    const std::vector<uint8_t> a = before.y.bits(), b = after.y.bits();
    const auto kept = kChanged * c.heads * c.v * 2;
    CHECK(std::equal(a.begin(), a.begin() + kept, b.begin()));
    CHECK(a != b);
  }
}
