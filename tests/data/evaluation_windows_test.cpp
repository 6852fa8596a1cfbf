#include "lacuna/data/evaluation_windows.h"

#include <algorithm>

#include "../catch.h"
#include "../expect_error.h"

using namespace lacuna;

TEST_CASE("evaluation scores every position once, with the context that was asked for") {
  for (int64_t window = 1; window <= 9; ++window) {
    for (int64_t context = 0; context < window; ++context) {
      for (int64_t symbols = 0; symbols <= 40; ++symbols) {
        INFO("n " << symbols << " T " << window << " M " << context);
        const auto windows = evaluation_windows(symbols, window, context);
        std::vector<int> scored(static_cast<size_t>(symbols));
        for (size_t w = 0; w < windows.size(); ++w) {
          const EvaluationWindow& one = windows[w];
          REQUIRE(one.begin >= 0);
          REQUIRE(one.length <= window);
          REQUIRE(one.begin + one.length <= symbols);
          REQUIRE(one.score_begin >= 0);
          REQUIRE(one.score_begin < one.length);
          if (w + 1 < windows.size()) REQUIRE(one.length == window);
          for (int64_t i = one.score_begin; i < one.length; ++i) {
            ++scored[static_cast<size_t>(one.begin + i)];
            REQUIRE(i >= std::min(context, one.begin + i));
          }
        }
        REQUIRE(std::all_of(scored.begin(), scored.end(), [](int count) { return count == 1; }));
        // No more windows than needed: one, then one for each window - context symbols more.
        const int64_t rest = std::max<int64_t>(0, symbols - window);
        const int64_t needed =
            symbols == 0 ? 0 : 1 + (rest + window - context - 1) / (window - context);
        REQUIRE(static_cast<int64_t>(windows.size()) == needed);
      }
    }
  }
}

TEST_CASE("evaluation windows of a small part, written out") {
  const auto windows = evaluation_windows(11, 5, 2);
  REQUIRE(windows.size() == 3);
  CHECK((windows[0].begin == 0 && windows[0].length == 5 && windows[0].score_begin == 0));
  CHECK((windows[1].begin == 3 && windows[1].length == 5 && windows[1].score_begin == 2));
  CHECK((windows[2].begin == 6 && windows[2].length == 5 && windows[2].score_begin == 2));
}

TEST_CASE("a minimum context that leaves nothing to score is a configuration error") {
  expect_error(ErrorKind::kConfig, "0 to 7", [] { evaluation_windows(100, 8, 8); });
  expect_error(ErrorKind::kConfig, "minimum context", [] { evaluation_windows(100, 8, -1); });
}

TEST_CASE("a minimum context that windows cannot have on their grid is a configuration error") {
  const auto nothing = empty_part();
  for (const int64_t context : {1, 3, 8, 9, 16}) {  // pictures fill the window
    expect_error(ErrorKind::kConfig, "expected 0: each window is one whole sample of 8",
                 [&] { evaluation_windows(*nothing, {.alignment = 8}, 8, context); });
  }
  expect_error(ErrorKind::kConfig, "expected a multiple of 2",
               [&] { evaluation_windows(*nothing, {.alignment = 2}, 8, 3); });
  CHECK(evaluation_windows(*nothing, {.alignment = 8}, 8, 0).empty());
  CHECK(evaluation_windows(*nothing, {.alignment = 2}, 8, 4).empty());
}

TEST_CASE(
    "some of the windows are spread over all, the same for a seed and whole where that is all") {
  const auto windows = evaluation_windows(1'000, 10, 0);
  REQUIRE(windows.size() == 100);
  const auto begins = [&](int64_t count, uint64_t seed) {
    std::vector<int64_t> found;
    for (const EvaluationWindow& one : spread_windows(windows, count, seed)) {
      CHECK(one.length == 10);
      found.push_back(one.begin);
    }
    return found;
  };
  for (const int64_t count : {1, 3, 7, 50, 99}) {
    const auto some = begins(count, 1);
    REQUIRE(static_cast<int64_t>(some.size()) == count);
    for (int64_t i = 0; i < count; ++i) {  // one of each run
      CHECK(some[static_cast<size_t>(i)] >= 100 * i / count * 10);
      CHECK(some[static_cast<size_t>(i)] < 100 * (i + 1) / count * 10);
    }
    CHECK(some == begins(count, 1));
  }
  CHECK(begins(7, 1) != begins(7, 2));
  std::vector<int> seen(100);
  for (uint64_t seed = 0; seed < 2'000; ++seed)
    ++seen[static_cast<size_t>(begins(10, seed)[3] / 10)];
  for (size_t i = 0; i < 100; ++i) CHECK((seen[i] > 100) == (i >= 30 && i < 40));  // about 200 each
  CHECK(begins(100, 1).size() == 100);
  CHECK(begins(1'000, 1) == begins(100, 2));
}
