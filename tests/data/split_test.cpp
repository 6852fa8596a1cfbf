#include "lacuna/data/split.h"

#include "../catch.h"
#include "../expect_error.h"

using namespace lacuna;
using Bounds = std::array<int64_t, 4>;

TEST_CASE("the names of the three parts are train, valid and test") {
  CHECK(std::string(split_name(Split::kTrain)) == "train");
  CHECK(std::string(split_name(Split::kValid)) == "valid");
  CHECK(std::string(split_name(Split::kTest)) == "test");
}

TEST_CASE("shares cut at the floor of their sums") {
  CHECK(parse_split("0.9 / 0.05 / 0.05", 100'000'000).bounds ==
        Bounds{0, 90'000'000, 95'000'000, 100'000'000});
  CHECK(parse_split("0.5/0.25/0.25", 7).bounds == Bounds{0, 3, 5, 7});
  CHECK(parse_split("0.95 / 0.05", 100).bounds == Bounds{0, 95, 100, 100});
  CHECK(parse_split("0.5 / 0.2", 10).bounds == Bounds{0, 5, 7, 7});
  CHECK(parse_split("1 / 0", 10).bounds == Bounds{0, 10, 10, 10});
  CHECK(parse_split("0 / 0 / 1", 10).bounds == Bounds{0, 0, 0, 10});
  CHECK(parse_split("5e-1 / 0", 10).bounds == Bounds{0, 5, 5, 5});
  CHECK(parse_split("0.5 / 0.5", 0).bounds == Bounds{0, 0, 0, 0});
}

TEST_CASE("rounding of decimal shares costs no symbol") {
  // Exact in hundredths: the bound is a * symbols / 100 in whole numbers.
  for (const int64_t symbols : {1, 7, 100, 12'345, 99'999'999, 1'000'000'000}) {
    for (int64_t a = 1; a < 100; ++a) {
      for (int64_t b = 1; a + b < 100; b += 7) {
        const auto share = [](int64_t x) {
          return std::string(x < 10 ? "0.0" : "0.") + std::to_string(x);
        };
        const std::string text = share(a) + " / " + share(b) + " / " + share(100 - a - b);
        INFO(text << " of " << symbols);
        REQUIRE(parse_split(text, symbols).bounds ==
                Bounds{0, a * symbols / 100, (a + b) * symbols / 100, symbols});
      }
    }
  }
}

TEST_CASE("counts cut where they say") {
  CHECK(parse_split("90M / 5M / 5M", 100'000'000).bounds ==
        Bounds{0, 90'000'000, 95'000'000, 100'000'000});
  CHECK(parse_split("1.5k / 1 / 0", 2000).bounds == Bounds{0, 1500, 1501, 1501});
  CHECK(parse_split("2 / 1", 3).bounds == Bounds{0, 2, 3, 3});
  const SplitBounds split = parse_split("5 / 3 / 2", 10);
  CHECK(split.begin(Split::kValid) == 5);
  CHECK(split.size(Split::kValid) == 3);
  CHECK(split.size(Split::kTest) == 2);
}

TEST_CASE("a split that does not fit or cannot be read is a configuration error") {
  const auto refuse = [](const std::string& text, const std::string& fragment) {
    expect_error(ErrorKind::kConfig, fragment, [&] { parse_split(text, 1000); });
  };
  refuse("0.9 / 0.2", "sum to 1.1");
  refuse("1 / 0.01", "sum to 1.01");
  refuse("900 / 101", "1,000 symbols");
  refuse("9G / 9G / 9G", "1,000 symbols");
  refuse("0.9 / 50", "mixed");
  refuse("90M / 0.05 / 0.05", "mixed");
  refuse("1.5 / 0", "no share");
  refuse("-0.1 / 0.5", "no share");
  refuse("-5 / 10", "negative");
  refuse("0.9 / much", "'much'");
  refuse("nan / 0.5", "'nan'");
  refuse("inf / 5", "'inf'");
  refuse("0.9 / ", "''");
  refuse("", "''");
  refuse("0.9", "1 parts");
  refuse("0.1 / 0.1 / 0.1 / 0.1", "4 parts");
}
