// attends() of every pattern against the index sets of paper.md section 1.1.
#include "../catch.h"
#include "cover.h"
#include "lacuna/base/text.h"

using namespace lacuna;
using namespace lacuna::sparse;

namespace {

constexpr int64_t kQueries = 70;

/// How many queries of `text` do not read exactly keys_of(i).
template <class KeysOf>
int64_t differing(const std::string& text, int64_t head, KeysOf keys_of) {
  const PatternPtr pattern = parse_pattern(text);
  int64_t count = 0;
  for (int64_t i = 0; i < kQueries; ++i) {
    if (attended_keys(*pattern, head, i, kQueries) != keys_of(i)) ++count;
  }
  return count;
}

}  // namespace

TEST_CASE("Patterns that do not look at the head attend to the sets of the paper") {
  CHECK(differing("dense()", 0, dense_keys) == 0);
  for (int64_t l : kStrides) {
    CAPTURE(l);
    const auto code = [l](int64_t i) { return window_keys(i, l); };
    const auto paper = [l](int64_t i) { return window_keys(i, l + 1); };
    const auto column = [l](int64_t i) { return column_keys(i, l); };
    for (int64_t head : {0, 3}) {
      CHECK(differing(str("local(", l, ")"), head, code) == 0);
      CHECK(differing(str("local(", l, ", window=code)"), head, code) == 0);
      CHECK(differing(str("local(", l, ", window=paper)"), head, paper) == 0);
      CHECK(differing(str("column(", l, ")"), head, column) == 0);
      CHECK(differing(str("block(", l, ")"), head, [l](int64_t i) { return block_keys(i, l); }) ==
            0);
      CHECK(differing(str("strided(", l, ")"), head,
                      [&](int64_t i) { return both(code(i), column(i)); }) == 0);
      CHECK(differing(str("strided(", l, ", window=paper)"), head,
                      [&](int64_t i) { return both(paper(i), column(i)); }) == 0);
    }
  }
}

TEST_CASE("Summary and fixed give head h the sub-block h mod n from the end") {
  for (int64_t l : kStrides) {
    for (int64_t c = 1; c <= l; ++c) {
      for (int64_t n = 1; n * c <= l; ++n) {
        for (int64_t head = 0; head <= n + 1; ++head) {
          CAPTURE(l, c, n, head);
          const auto summary = [=](int64_t i) { return summary_keys(i, l, c, head % n); };
          const auto fixed = [=](int64_t i) { return both(summary(i), block_keys(i, l)); };
          CHECK(differing(str("summary(", l, ", ", c, ", ", n, ")"), head, summary) == 0);
          CHECK(differing(str("fixed(", l, ", ", c, ", ", n, ")"), head, fixed) == 0);
        }
      }
    }
  }
}

TEST_CASE("The worked example of the paper: l = 128, c = 8 summarises 120..127, 248..255") {
  const PatternPtr summary = parse_pattern("summary(128, 8)");
  Keys wanted;
  for (int64_t j = 120; j < 128; ++j) wanted.insert(j);
  for (int64_t j = 248; j < 256; ++j) wanted.insert(j);
  CHECK(attended_keys(*summary, 0, 256, 400) == wanted);
  CHECK(attended_keys(*summary, 0, 367, 400) == wanted);
  CHECK(attended_keys(*summary, 0, 119, 400).empty());
  CHECK(attended_keys(*summary, 0, 121, 400) == Keys{120, 121});
  const Keys fixed = attended_keys(*parse_pattern("fixed(128, 8)"), 0, 300, 400);
  CHECK(fixed == both(wanted, block_keys(300, 128)));
}

TEST_CASE("A stand-alone summary leaves its first queries without a key") {
  const PatternPtr summary = parse_pattern("summary(128, 32)");
  const std::vector<Pass> passes = summary->passes(0, 200, kEverything);
  REQUIRE(passes.size() == 1);
  int64_t empty = 0;
  for (int64_t i = 0; i < 200; ++i) {
    const Interval seen = passes[0].interval(0, i);
    if (seen.begin >= seen.end) ++empty;
  }
  CHECK(empty == 96);
}

TEST_CASE("Mean keys per query are those of the table of work per layer") {
  const auto mean = [](const char* text, int64_t length) {
    return static_cast<double>(attended_pairs(*parse_pattern(text), 0, length)) /
           static_cast<double>(length);
  };
  const auto about = [](double value) { return Approx(value).margin(0.0501).epsilon(0); };
  CHECK(mean("dense()", 3072) == about(1536.5));
  CHECK(mean("local(96)", 3072) == about(94.5));
  CHECK(mean("column(96)", 3072) == about(16.5));
  CHECK(mean("dense()", 12288) == about(6144.5));
  CHECK(mean("local(128)", 12288) == about(127.3));
  CHECK(mean("column(128)", 12288) == about(48.5));
  CHECK(mean("fixed(128, 32)", 12288) == about(1584.5));
  CHECK(mean("dense()", 65536) == about(32768.5));
  CHECK(mean("local(256)", 65536) == about(255.5));
  CHECK(mean("column(256)", 65536) == about(128.5));
  // Merging counts the query itself once, not twice.
  CHECK(mean("strided(96)", 3072) == about(94.5 + 16.5 - 1));
}

TEST_CASE("The four sub-blocks of fixed(128, 32, 4) show every earlier position to some head") {
  const PatternPtr fixed = parse_pattern("fixed(128, 32, 4)");
  Keys seen;
  for (int64_t head = 0; head < 4; ++head) seen.merge(attended_keys(*fixed, head, 400, 401));
  CHECK(seen == dense_keys(400));
}
