// passes() of every single pattern, strided and fixed against attends().
#include "../catch.h"
#include "cover.h"
#include "lacuna/base/error.h"
#include "lacuna/base/text.h"

using namespace lacuna;
using namespace lacuna::sparse;

namespace {

void check_cover(const std::string& text, int64_t head, int64_t length) {
  CAPTURE(text, head, length);
  CHECK(cover_fault(*parse_pattern(text), head, length) == "");
}

/// Checks the cut at `horizon`, and that it is possible exactly if `fits`.
void check_cut(const std::string& text, const Bound& horizon, bool fits) {
  const PatternPtr pattern = parse_pattern(text);
  for (int64_t length : {1, 7, 16, 53}) {
    for (int64_t head : {0, 1, 2}) {
      CAPTURE(text, head, length, horizon.shift, horizon.period);
      if (fits) {
        CHECK(cover_fault(*pattern, head, length, horizon) == "");
      } else {
        CHECK_THROWS_AS(pattern->passes(head, length, horizon), Error);
      }
    }
  }
}

}  // namespace

TEST_CASE("Passes cover exactly the attended pairs, each once, for patterns with one number") {
  for (int64_t l : kStrides) {
    for (int64_t length : lengths_for(l)) {
      for (const char* name : {"local", "column", "block", "strided"}) {
        check_cover(str(name, "(", l, ")"), 0, length);
        check_cover(str(name, "(", l, ")"), 5, length);
      }
      check_cover("dense()", 0, length);
      check_cover(str("local(", l, ", window=paper)"), 0, length);
      check_cover(str("strided(", l, ", window=paper)"), 0, length);
    }
  }
}

TEST_CASE("Passes cover exactly the attended pairs, each once, for summary and fixed") {
  for (int64_t l : kStrides) {
    for (int64_t c = 1; c <= l; ++c) {
      for (int64_t n = 1; n * c <= l; ++n) {
        for (int64_t head = 0; head <= n; ++head) {
          for (int64_t length : lengths_for(l)) {
            check_cover(str("summary(", l, ", ", c, ", ", n, ")"), head, length);
            check_cover(str("fixed(", l, ", ", c, ", ", n, ")"), head, length);
          }
        }
      }
    }
  }
}

TEST_CASE("A sequence without positions has no pairs") {
  for (const char* text : {"dense()", "local(3)", "column(3)", "block(3)", "summary(3, 1)",
                           "strided(3)", "fixed(3, 1)"}) {
    CAPTURE(text);
    CHECK(attended_pairs(*parse_pattern(text), 0, 0) == 0);
  }
}

TEST_CASE("Every pattern can be cut at the suffix of every window and of dense") {
  for (const char* text : {"dense()", "local(5)", "block(6)", "column(1)", "column(6)",
                           "summary(6, 2, 3)", "summary(5, 5)"}) {
    for (int64_t width = 1; width < 20; ++width) check_cut(text, {.shift = 1 - width}, true);
    check_cut(text, {.step = 0}, true);
  }
}

TEST_CASE("Patterns are cut at the suffix of a block where a closed form exists") {
  for (int64_t m = 2; m <= 24; ++m) {
    const Bound block{.period = m, .step = m};
    check_cut("dense()", block, true);
    check_cut("local(5)", block, true);
    check_cut("block(6)", block, true);
    check_cut("column(6)", block, m <= 6 || m % 6 == 0);
    check_cut("column(1)", block, true);
    check_cut("summary(12, 2, 3)", block, m % 12 == 0 || m == 2 || m == 4 || m == 6);
    check_cut("summary(12, 4, 3)", block, m % 12 == 0 || m == 4);
    check_cut("summary(12, 6)", block, m % 12 == 0 || m == 6);
    check_cut("summary(6, 1)", block, m % 6 == 0 || m == 2 || m == 3);
  }
}

TEST_CASE("A suffix is the interval of keys that attends allows") {
  for (const char* text : {"dense()", "local(1)", "local(5)", "local(5, window=paper)", "block(1)",
                           "block(7)", "dense() + column(3)", "local(4) + block(4)"}) {
    const PatternPtr pattern = parse_pattern(text);
    const std::optional<Bound> suffix = pattern->suffix();
    REQUIRE(suffix.has_value());
    for (int64_t q = 0; q < 40; ++q) {
      CAPTURE(text, q);
      CHECK(attended_keys(*pattern, 0, q, 45) ==
            window_keys(q, q + 1 - suffix.value_or(kEverything).value(q)));
    }
  }
  for (const char* text : {"column(3)", "summary(3, 1)", "strided(3)", "fixed(3, 1)",
                           "local(4) + block(6)", "dense() | local(3)"}) {
    CAPTURE(text);
    CHECK(!parse_pattern(text)->suffix().has_value());
  }
}

TEST_CASE("The stride of a pattern is its l, the largest of its parts, and none for dense") {
  CHECK(parse_pattern("dense()")->stride() == 0);
  CHECK(parse_pattern("local(5, window=paper)")->stride() == 5);
  CHECK(parse_pattern("column(6)")->stride() == 6);
  CHECK(parse_pattern("block(7)")->stride() == 7);
  CHECK(parse_pattern("summary(8, 2)")->stride() == 8);
  CHECK(parse_pattern("strided(9)")->stride() == 9);
  CHECK(parse_pattern("fixed(10, 2)")->stride() == 10);
  CHECK(parse_pattern("local(3) + column(8)")->stride() == 8);
  CHECK(parse_pattern("dense() | local(3) | column(2)")->stride() == 3);
}

TEST_CASE("The bounds of strided and fixed are the closed forms that kernels rely on") {
  const std::vector<Pass> strided = parse_pattern("strided(128)")->passes(0, 12288, kEverything);
  REQUIRE(strided.size() == 2);
  CHECK(strided[1].lanes == 128);
  CHECK(strided[1].query_count(5) == 96);
  CHECK(strided[1].interval(5, 7).end == 7);  // strictly earlier: the window covers the query
  const std::vector<Pass> fixed = parse_pattern("fixed(128, 32)")->passes(0, 12288, kEverything);
  REQUIRE(fixed.size() == 2);
  CHECK(fixed[1].lanes == 1);
  CHECK(fixed[1].key_count(0) == 96 * 32);
  CHECK(fixed[1].keys.position(0, 33) == 225);
  CHECK(fixed[1].interval(0, 3 * 128 + 100).end == 3 * 32);
}
