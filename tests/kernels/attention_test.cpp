#include "lacuna/kernels/attention.h"

#include "../catch.h"
#include "../compare.h"
#include "attention_reference.h"
#include "tolerances.h"

using namespace lacuna;

namespace {

template <class T>
void check(const AttentionCase& c, uint64_t seed) {
  CAPTURE(c.pattern, c.length, c.batch, c.heads, c.qk, c.v);
  AttentionProblem<T> p(c, seed);
  p.forward(Queue::cpu(1));
  p.backward(Queue::cpu(1));
  const AttentionWanted wanted = attention_formulas(p);
  const double tolerance = kTolerances<T>.attention;
  CHECK(relative_error(p.y.values(), wanted.y) <= tolerance);
  CHECK(relative_error(p.lse.values(), wanted.lse) <= tolerance);
  CHECK(relative_error(p.dfused.values(), wanted.dfused) <= tolerance);
  CHECK(p.intact());
}

template <class T>
void check_patterns() {
  uint64_t seed = 800;
  for (const char* pattern : kAttentionPatterns) {
    for (const int64_t length : {1, 2, 6, 11, 63, 64, 65}) {
      check<T>({pattern, length, 2, 3}, seed++);
    }
    check<T>({pattern, 130, 1, 4, 3, 6}, seed++);
  }
}

}  // namespace

TEST_CASE("Attention over every pattern is masked dense attention, in f64") {
  check_patterns<double>();
}
TEST_CASE("Attention over every pattern is masked dense attention, in f32") {
  check_patterns<float>();
}

TEST_CASE("Attention joins tiles of 256 keys and 64 queries without a seam") {
  uint64_t seed = 900;
  for (const char* pattern : {"dense()", "local(200)", "block(300)", "strided(128)",
                              "fixed(128, 32)", "column(2)", "summary(4, 3)"}) {
    for (const int64_t length : {255, 256, 257, 321}) {
      check<double>({pattern, length, 1, 1, 4, 4}, seed++);
      check<float>({pattern, length, 1, 1, 16, 8}, seed++);
    }
  }
}

TEST_CASE("Attention takes heads of one element, and one head") {
  check<double>({"fixed(8, 2) | local(3)", 20, 1, 2, 1, 1}, 1000);
  check<double>({"strided(5)", 20, 3, 1, 1, 9}, 1001);
  check<double>({"fixed(8, 2, 2)", 20, 1, 6, 9, 1}, 1002);
}

TEST_CASE("A query without a key gets zero, minus infinity, and no gradient") {
  // Head 0 has summaries at 6, 7, 14, 15; head 1 at 4, 5, 12, 13.
  AttentionProblem<double> p({"summary(8, 2, 2)", 19, 2, 2}, 1003);
  p.forward(Queue::cpu(1));
  p.backward(Queue::cpu(1));
  const AttentionIndex at{p.c};
  for (int64_t b = 0; b < 2; ++b) {
    for (int64_t h = 0; h < 2; ++h) {
      for (int64_t i = 0; i < 19; ++i) {
        CAPTURE(b, h, i);
        const bool empty = i < (h == 0 ? 6 : 4);
        CHECK(std::isinf(p.lse.values()[at.lse(b, h, i)]) == empty);
        CHECK((p.y.values()[at.y(b, i, h, 0)] == 0) == empty);
        CHECK((p.dfused.values()[at.q(b, i, h, 0)] == 0) == (empty || i == (h == 0 ? 6 : 4)));
        // Nobody reads positions 0 to 3: their keys and values have no gradient either.
        if (i < 4) CHECK(p.dfused.values()[at.k(b, i, h, 0)] == 0);
        if (i < 4) CHECK(p.dfused.values()[at.v(b, i, h, 0)] == 0);
      }
    }
  }
}

TEST_CASE("Attention survives logits far beyond the range of the exponential") {
  for (const char* pattern : {"dense()", "strided(8)", "fixed(8, 2)"}) {
    CAPTURE(pattern);
    const auto finite = [&](auto type) {
      using T = decltype(type);
      AttentionProblem<T> p({pattern, 70}, 1004);
      for (int64_t i = 0; i < p.fused.shape().count(); ++i) {
        p.fused.view().template data<T>()[i] *= T(1000);
      }
      p.forward(Queue::cpu(1));
      p.backward(Queue::cpu(1));
      const auto all = [](const std::vector<T>& values) {
        return std::all_of(values.begin(), values.end(), [](T x) { return std::isfinite(x); });
      };
      return all(p.y.values()) && all(p.lse.values()) && all(p.dfused.values());
    };
    CHECK(finite(double{}));
    CHECK(finite(float{}));
  }
}

TEST_CASE("Attention gives the same bits on any number of threads, and twice") {
  for (const char* pattern : {"fixed(12, 3, 4)", "strided(8)", "local(8) | column(8)"}) {
    CAPTURE(pattern);
    const auto results = [&](int threads) {
      AttentionProblem<float> p({pattern, 130, 2, 4, 16, 16}, 1005);
      p.forward(Queue::cpu(threads));
      p.backward(Queue::cpu(threads));
      std::vector<float> all = p.y.values();
      for (const auto& more : {p.lse.values(), p.dfused.values(), p.delta.values()}) {
        all.insert(all.end(), more.begin(), more.end());
      }
      return all;
    };
    const std::vector<float> one = results(1);
    CHECK(same_bits(one, results(1)));
    CHECK(same_bits(one, results(2)));
    CHECK(same_bits(one, results(3)));
  }
}
