#include "lacuna/sparse/statistics.h"

#include <algorithm>

#include "../catch.h"
#include "cover.h"
#include "lacuna/base/text.h"

using namespace lacuna;
using namespace lacuna::sparse;

namespace {

const std::vector<std::string> kPatterns = {"dense()",
                                            "local(5)",
                                            "column(4)",
                                            "strided(6)",
                                            "fixed(8, 2, 4)",
                                            "summary(6, 2)",
                                            "block(7)",
                                            "local(3) | column(5)",
                                            "local(5) + summary(8, 3)",
                                            "fixed(6, 2) | strided(3)"};

// Positions that `layers` of patterns lead to from the last one, pair by pair; nearest to the
// output first.
std::vector<std::set<int64_t>> reached_by_force(const std::vector<std::string>& layers,
                                                int64_t heads, int64_t length) {
  std::set<int64_t> reached{length - 1};
  std::vector<std::set<int64_t>> steps;
  for (auto layer = layers.rbegin(); layer != layers.rend(); ++layer) {
    const PatternPtr pattern = parse_pattern(*layer);
    std::set<int64_t> next = reached;
    for (const int64_t query : reached) {
      for (int64_t key = 0; key <= query; ++key) {
        for (int64_t head = 0; head < heads; ++head) {
          if (pattern->attends(head, query, key)) next.insert(key);
        }
      }
    }
    reached = next;
    steps.push_back(reached);
    if (static_cast<int64_t>(reached.size()) == length) break;
  }
  return steps;
}

std::vector<std::vector<Passes>> passes_of(const std::vector<std::string>& layers, int64_t heads,
                                           int64_t length) {
  std::vector<std::vector<Passes>> all;
  for (const std::string& layer : layers) {
    all.emplace_back();
    for (const HeadGroup& group : head_groups(*parse_pattern(layer), heads, length)) {
      all.back().push_back(group.passes);
    }
  }
  return all;
}

}  // namespace

TEST_CASE("keys per query and density are those that attends() allows", "[statistics]") {
  for (const std::string& text : kPatterns) {
    const PatternPtr pattern = parse_pattern(text);
    for (const int64_t length : {int64_t{1}, int64_t{2}, int64_t{23}, int64_t{48}}) {
      for (const int64_t head : {int64_t{0}, int64_t{1}, int64_t{3}}) {
        CAPTURE(text, length, head);
        std::vector<int64_t> keys;
        double pairs = 0;
        for (int64_t i = 0; i < length; ++i) {
          keys.push_back(static_cast<int64_t>(attended_keys(*pattern, head, i, length).size()));
          pairs += static_cast<double>(keys.back());
        }
        const KeyCounts counts = key_counts(pattern->passes(head, length, kEverything), length);
        CHECK(counts.least == *std::min_element(keys.begin(), keys.end()));
        CHECK(counts.most == *std::max_element(keys.begin(), keys.end()));
        CHECK(counts.mean == Approx(pairs / static_cast<double>(length)));
        CHECK(counts.density == Approx(2 * pairs / static_cast<double>(length * (length + 1))));
      }
    }
  }
}

TEST_CASE("a density map has in each cell the share of the causal pairs that attend",
          "[statistics]") {
  for (const std::string& text : kPatterns) {
    const PatternPtr pattern = parse_pattern(text);
    for (const int64_t most_cells : {int64_t{1}, int64_t{5}, int64_t{9}, int64_t{64}}) {
      constexpr int64_t kLength = 43, kHead = 1;
      CAPTURE(text, most_cells);
      const DensityMap map =
          density_map(pattern->passes(kHead, kLength, kEverything), kLength, most_cells);
      REQUIRE(map.side <= most_cells);
      REQUIRE(map.side * map.cell >= kLength);
      std::vector<double> attend(map.shares.size()), allowed(map.shares.size());
      for (int64_t query = 0; query < kLength; ++query) {
        for (int64_t key = 0; key <= query; ++key) {
          const auto at = static_cast<size_t>(query / map.cell * map.side + key / map.cell);
          ++allowed[at];
          if (pattern->attends(kHead, query, key)) ++attend[at];
        }
      }
      for (size_t i = 0; i < allowed.size(); ++i) {
        CAPTURE(i);
        CHECK(map.shares[i] == Approx(allowed[i] > 0 ? attend[i] / allowed[i] : -1));
      }
    }
  }
}

TEST_CASE("heads are together when they attend alike", "[statistics]") {
  const auto groups = head_groups(*parse_pattern("fixed(8, 2, 4)"), 6, 32);
  REQUIRE(groups.size() == 4);
  CHECK(groups[0].heads == std::vector<int64_t>{0, 4});
  CHECK(groups[3].heads == std::vector<int64_t>{3});
  CHECK(head_groups(*parse_pattern("strided(8)"), 6, 32).size() == 1);
  CHECK(head_groups(*parse_pattern("local(4) | column(4)"), 6, 32)[1].heads ==
        std::vector<int64_t>{1, 3, 5});
}

TEST_CASE("reach over layers is what following every pair from the last position finds",
          "[statistics]") {
  std::vector<std::vector<std::string>> models;
  for (const std::string& text : kPatterns) models.push_back({text, text, text, text});
  models.push_back({"local(4)", "column(7)", "local(3)"});
  models.push_back({"column(5)", "local(2)", "fixed(6, 1)"});
  models.push_back(std::vector<std::string>(9, "local(2)"));
  for (const auto& layers : models) {
    for (const int64_t length : {int64_t{1}, int64_t{2}, int64_t{29}, int64_t{40}}) {
      for (const int64_t heads : {int64_t{1}, int64_t{2}, int64_t{4}}) {
        CAPTURE(join(layers, ", "), length, heads);
        const auto expected = reached_by_force(layers, heads, length);
        const auto found = reach_back(passes_of(layers, heads, length), length);
        REQUIRE(found.size() == expected.size());
        for (size_t n = 0; n < found.size(); ++n) {
          CHECK(found[n].farthest == length - 1 - *expected[n].begin());
          CHECK(found[n].positions == static_cast<int64_t>(expected[n].size()) - 1);
        }
      }
    }
  }
}

TEST_CASE("passes are told in words", "[statistics]") {
  const auto words = [](const std::string& text, size_t pass) {
    return join(describe(parse_pattern(text)->passes(0, 64, kEverything).at(pass)), "; ");
  };
  CHECK(contains(words("local(5)", 0), "one lane: all positions as queries and keys"));
  CHECK(contains(words("local(5)", 0), "max(0, i - 4) <= k < i + 1 (the last 5)"));
  CHECK(contains(words("dense()", 0), "0 <= k < i + 1 (all up to itself)"));
  CHECK(contains(words("column(8)", 0), "8 lanes"));
  CHECK(contains(words("block(16)", 0), "floor(i / 16) * 16 <= k < i + 1 (its block of 16)"));
  CHECK(contains(words("fixed(16, 4)", 1), "keys are positions 12 to 15 of every 16"));
  CHECK(contains(words("fixed(16, 4)", 1), "0 <= k < floor(i / 16) * 4"));
}
