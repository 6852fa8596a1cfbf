// Decoding position by position against masked dense attention over the whole sequence. The cache
// starts as NaN, so a slot that is read before it was written shows.
#include "lacuna/kernels/attention_decode.h"

#include "../catch.h"
#include "../compare.h"
#include "attention_reference.h"
#include "tolerances.h"

using namespace lacuna;

namespace {

template <class T>
struct Decoding {
  Decoding(const AttentionCase& given, uint64_t seed)
      : problem(given, seed), keys(cache_shape(given.qk)), values(cache_shape(given.v)) {}

  Shape cache_shape(int64_t width) {
    int64_t most = 0;
    slots.clear();
    for (const auto& of_head : problem.passes) {
      slots.push_back(sparse::cache_slots(of_head, problem.c.length));
      most = std::max(most, slots.back().count);
    }
    return {problem.c.batch, problem.c.heads, most, width};
  }

  void run(int threads) {
    Queue queue = Queue::cpu(threads);
    const AttentionCase& c = problem.c;
    DecodeState state;
    for (int64_t t = 0; t < c.length; ++t) {
      state.position = t;
      const auto at = [&](const View& x) { return x.slice(1, t, 1); };
      launch(queue, AttentionDecode{.q = at(problem.part(problem.fused, 0)),
                                    .k = at(problem.part(problem.fused, 1)),
                                    .v = at(problem.part(problem.fused, 2)),
                                    .keys = keys,
                                    .values = values,
                                    .y = at(problem.y.view().split_last(c.heads, c.v)),
                                    .scale = c.scale(),
                                    .passes = &problem.passes,
                                    .slots = &slots,
                                    .state = &state});
    }
  }
  bool intact() const { return problem.y.intact() && keys.intact() && values.intact(); }

  AttentionProblem<T> problem;
  HeadSlots slots;
  Guarded<T> keys, values;
};

template <class T>
void check(const AttentionCase& c, uint64_t seed) {
  CAPTURE(c.pattern, c.length, c.batch, c.heads, c.qk, c.v);
  Decoding<T> decoding(c, seed);
  decoding.run(1);
  const AttentionWanted wanted = attention_formulas(decoding.problem);
  CHECK(relative_error(decoding.problem.y.values(), wanted.y) <= kTolerances<T>.attention);
  CHECK(decoding.intact());
}

template <class T>
void check_patterns() {
  uint64_t seed = 1300;
  for (const char* pattern : kAttentionPatterns) {
    for (const int64_t length : {1, 2, 6, 11, 65}) check<T>({pattern, length, 2, 3}, seed++);
    check<T>({pattern, 130, 1, 4, 3, 6}, seed++);
  }
}

}  // namespace

TEST_CASE("Decoding over every pattern is masked dense attention, in f64") {
  check_patterns<double>();
}
TEST_CASE("Decoding over every pattern is masked dense attention, in f32") {
  check_patterns<float>();
}

TEST_CASE("Decoding takes heads of one element and of many") {
  check<double>({"fixed(8, 2) | local(3)", 20, 1, 2, 1, 1}, 1400);
  check<float>({"strided(5)", 20, 3, 1, 65, 129}, 1401);
  check<float>({"strided(5)", 20, 3, 2, 256, 1}, 1402);
}

TEST_CASE("Decoding a query without a key gives zero, even over a poisoned cache") {
  Decoding<double> decoding({"summary(8, 2)", 19, 2, 2}, 1403);
  decoding.run(2);
  const AttentionIndex at{decoding.problem.c};
  for (int64_t i = 0; i < 19; ++i) {
    CAPTURE(i);
    CHECK((decoding.problem.y.values()[at.y(1, i, 1, 0)] == 0) == (i < 6));
  }
}

TEST_CASE("Decoding survives logits far beyond the range of the exponential") {
  Decoding<float> decoding({"strided(8)", 40}, 1404);
  float* fused = decoding.problem.fused.view().data<float>();
  for (int64_t i = 0; i < decoding.problem.fused.shape().count(); ++i) fused[i] *= 1000;
  decoding.run(1);
  for (const float y : decoding.problem.y.values()) CHECK(std::isfinite(y));
}

TEST_CASE("Decoding gives the same bits on any number of threads and in any batch") {
  for (const char* pattern : {"fixed(12, 3, 4)", "strided(8)", "local(8) | column(8)"}) {
    CAPTURE(pattern);
    // 7 elements a head: rows of different sequences lie at different alignments.
    const AttentionCase together{pattern, 70, 5, 2, 7, 7};
    AttentionCase single = together;
    single.batch = 1;
    Decoding<float> all(together, 1405);
    all.run(1);
    const std::vector<float> y = all.problem.y.values();
    Decoding<float> again(together, 1405);
    again.run(3);
    CHECK(same_bits(y, again.problem.y.values()));
    const auto size = y.size() / 5;
    const int64_t inputs = all.problem.fused.shape().count() / 5;
    for (int64_t b = 0; b < 5; ++b) {
      Decoding<float> one(single, 1406);
      std::copy_n(all.problem.fused.view().data<float>() + b * inputs, inputs,
                  one.problem.fused.view().data<float>());
      one.run(1);
      const auto first = y.begin() + b * static_cast<int64_t>(size);
      CHECK(same_bits({first, first + static_cast<int64_t>(size)}, one.problem.y.values()));
    }
  }
}
