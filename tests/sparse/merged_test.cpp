#include <functional>
#include <map>

#include "../catch.h"
#include "cover.h"
#include "lacuna/base/error.h"
#include "lacuna/base/text.h"

using namespace lacuna;
using namespace lacuna::sparse;

namespace {

using KeysOf = std::function<Keys(int64_t)>;

/// Parts of merges with their sets, written down independently of the patterns.
const std::map<std::string, KeysOf>& parts() {
  static const std::map<std::string, KeysOf> table{
      {"dense()", dense_keys},
      {"local(1)", [](int64_t i) { return window_keys(i, 1); }},
      {"local(2)", [](int64_t i) { return window_keys(i, 2); }},
      {"local(3)", [](int64_t i) { return window_keys(i, 3); }},
      {"local(4)", [](int64_t i) { return window_keys(i, 4); }},
      {"local(8)", [](int64_t i) { return window_keys(i, 8); }},
      {"local(8, window=paper)", [](int64_t i) { return window_keys(i, 9); }},
      {"block(1)", [](int64_t i) { return block_keys(i, 1); }},
      {"block(4)", [](int64_t i) { return block_keys(i, 4); }},
      {"block(6)", [](int64_t i) { return block_keys(i, 6); }},
      {"block(12)", [](int64_t i) { return block_keys(i, 12); }},
      {"column(1)", [](int64_t i) { return column_keys(i, 1); }},
      {"column(4)", [](int64_t i) { return column_keys(i, 4); }},
      {"column(5)", [](int64_t i) { return column_keys(i, 5); }},
      {"column(12)", [](int64_t i) { return column_keys(i, 12); }},
      {"summary(4, 1)", [](int64_t i) { return summary_keys(i, 4, 1, 0); }},
      {"summary(12, 2)", [](int64_t i) { return summary_keys(i, 12, 2, 0); }},
      {"summary(5, 5)", [](int64_t i) { return summary_keys(i, 5, 5, 0); }},
      {"strided(4)", [](int64_t i) { return both(window_keys(i, 4), column_keys(i, 4)); }},
      {"fixed(4, 2)", [](int64_t i) { return both(block_keys(i, 4), summary_keys(i, 4, 2, 0)); }},
  };
  return table;
}

/// Checks that `text` is the union of `sets`, that its passes are disjoint and that text() is it.
void check_merge(const std::string& text, const std::vector<KeysOf>& sets) {
  CAPTURE(text);
  const PatternPtr merged = parse_pattern(text);
  CHECK(merged->text() == text);
  for (int64_t length : {1, 3, 12, 13, 41}) {
    CAPTURE(length);
    CHECK(cover_fault(*merged, 0, length) == "");
  }
  int64_t differing = 0;
  for (int64_t i = 0; i < 41; ++i) {
    Keys wanted;
    for (const KeysOf& set : sets) wanted = both(wanted, set(i));
    if (attended_keys(*merged, 0, i, 41) != wanted) ++differing;
  }
  CHECK(differing == 0);
}

}  // namespace

TEST_CASE("Every merge of two patterns is their union in disjoint passes, or is refused") {
  int64_t merged = 0;
  int64_t refused = 0;
  for (const auto& [first, first_keys] : parts()) {
    for (const auto& [second, second_keys] : parts()) {
      const std::string text = first + " + " + second;
      bool fits = true;
      try {
        parse_pattern(text);
      } catch (const Error& error) {
        fits = false;
        CHECK(error.kind() == ErrorKind::kConfig);
        CHECK(contains(error.what(), text));
      }
      if (fits) check_merge(text, {first_keys, second_keys});
      (fits ? merged : refused) += 1;
    }
  }
  CHECK(merged > 200);
  CHECK(refused > 60);
}

TEST_CASE("A merge does not depend on the order of its parts") {
  for (const auto& [first, first_keys] : parts()) {
    for (const auto& [second, second_keys] : parts()) {
      const auto fits = [](const std::string& text) {
        try {
          parse_pattern(text);
          return true;
        } catch (const Error&) {
          return false;
        }
      };
      CAPTURE(first, second);
      CHECK(fits(first + " + " + second) == fits(second + " + " + first));
    }
  }
}

TEST_CASE("Merges that have a closed form are accepted") {
  for (const char* first : {"dense()", "local(1)", "local(8)", "local(8, window=paper)"}) {
    for (const auto& [second, keys] : parts()) {
      if (second == "strided(4)" || second == "fixed(4, 2)") continue;
      const std::string text = str(first, " + ", second);
      CAPTURE(text);
      CHECK_NOTHROW(parse_pattern(text));
    }
  }
  for (const char* text :
       {"block(4) + column(4)", "block(4) + column(5)", "block(12) + column(4)",
        "block(12) + column(12)", "block(4) + summary(4, 1)", "block(12) + summary(4, 1)",
        "block(6) + summary(12, 2)", "block(4) + summary(12, 2)", "local(8) + strided(4)",
        "block(12) + fixed(4, 2)", "local(4) + fixed(4, 2)", "local(4) + block(6)"}) {
    CAPTURE(text);
    CHECK_NOTHROW(parse_pattern(text));
  }
}

TEST_CASE("Merges of more than two parts fold suffixes that cover each other") {
  const auto& set = parts();
  const auto check = [&set](const std::vector<std::string>& names) {
    std::vector<KeysOf> sets;
    for (const std::string& name : names) sets.push_back(set.at(name));
    check_merge(join(names, " + "), sets);
  };
  check({"local(4)", "local(8)", "column(5)"});
  check({"column(5)", "local(4)", "local(8, window=paper)"});
  check({"block(4)", "summary(4, 1)", "block(12)"});
  check({"local(1)", "block(4)", "column(4)"});
  check({"local(4)", "block(4)", "summary(12, 2)"});
  check({"local(8)", "strided(4)", "local(1)"});
  check({"column(4)", "dense()", "summary(12, 2)", "block(6)"});
}

TEST_CASE("A merge that does not fit is refused with what does") {
  const auto refused = [](const std::string& text, const std::string& reason) {
    CAPTURE(text);
    try {
      parse_pattern(text);
      FAIL("was accepted");
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::kConfig);
      CAPTURE(error.what());
      CHECK(contains(error.what(), text));
      CHECK(contains(error.what(), reason));
    }
  };
  refused("column(4) + summary(4, 1)", "column(4), summary(4, 1) do not fit");
  refused("column(4) + column(8)", "A merge is one of dense, local, block");
  refused("block(6) + column(5)", "column(5): cannot be merged with block(6)");
  refused("block(6) + column(5)", "multiple of l; here l = 5");
  refused("column(5) + block(12)", "column(5): cannot be merged with block(12)");
  refused("block(6) + summary(4, 2)", "summary(4, 2): cannot be merged with block(6)");
  refused("block(4) + summary(12, 3)", "here l = 12, c = 3");
  refused("local(4) + block(6) + column(4)", "local(4), block(6), column(4) do not fit");
  refused("strided(8) + fixed(8, 2)", "column(8), summary(8, 2) do not fit");
  refused("local(2) | column(4) + summary(4, 1)", "do not fit");
}

TEST_CASE("A merge of a summary with block smaller than its stride holds for every head") {
  for (const char* text : {"block(4) + summary(16, 2, 8)", "block(8) + summary(16, 4, 4)",
                           "block(2) + summary(8, 1, 8)", "block(32) + summary(16, 2, 8)"}) {
    for (int64_t head = 0; head < 9; ++head) {
      for (int64_t length : {1, 15, 16, 33, 97}) {
        CAPTURE(text, head, length);
        CHECK(cover_fault(*parse_pattern(text), head, length) == "");
      }
    }
  }
}

TEST_CASE("A merge of two runs refuses to be cut at another horizon") {
  CHECK_THROWS_AS(parse_pattern("strided(4)")->passes(0, 9, {.shift = -2}), Error);
  CHECK(cover_fault(*parse_pattern("local(2) + local(5)"), 0, 20, {.shift = -2}) == "");
}
