#include "../catch.h"
#include "cover.h"
#include "lacuna/base/error.h"

using namespace lacuna;
using namespace lacuna::sparse;

namespace {

/// Checks that `text` is refused as a configuration error that quotes it and says `reason`.
void check_refused(const std::string& text, const std::string& reason) {
  CAPTURE(text, reason);
  try {
    const PatternPtr pattern = parse_pattern(text);
    FAIL("was read as " << pattern->text());
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::kConfig);
    CAPTURE(error.what());
    CHECK(contains(error.what(), "\"" + text + "\""));
    CHECK(contains(error.what(), reason));
  }
}

}  // namespace

TEST_CASE("Canonical texts read back as themselves") {
  for (const char* text :
       {"dense()", "local(128)", "local(128, window=paper)", "column(96)", "block(128)",
        "summary(128, 32)", "summary(128, 32, 4)", "strided(128)", "strided(128, window=paper)",
        "fixed(128, 32)", "fixed(128, 32, 4)", "block(128) + summary(128, 32)",
        "local(128) | column(128)", "local(8) + column(4) | dense() | fixed(8, 2)"}) {
    CHECK(parse_pattern(text)->text() == text);
  }
}

TEST_CASE("Blanks, defaults and empty parentheses do not matter") {
  CHECK(parse_pattern("  fixed ( 128,32 , 4 )  ")->text() == "fixed(128, 32, 4)");
  CHECK(parse_pattern("summary(128, 32, 1)")->text() == "summary(128, 32)");
  CHECK(parse_pattern("strided(8,window = code)")->text() == "strided(8)");
  CHECK(parse_pattern("local(window=paper,8)")->text() == "local(8, window=paper)");
  CHECK(parse_pattern("dense")->text() == "dense()");
  CHECK(parse_pattern("\tlocal(8)|\n column(8)")->text() == "local(8) | column(8)");
  CHECK(parse_pattern("local(8)+column(8)")->text() == "local(8) + column(8)");
}

TEST_CASE("An unknown pattern is answered with the nearest name, or with the known ones") {
  check_refused("locl(8)", "Did you mean 'local'?");
  check_refused("Strided(8)", "Did you mean 'strided'?");
  check_refused("dense() | colunm(8)", "Did you mean 'column'?");
  check_refused("zzzzzzzzzzzz(8)", "Known: ");
}

TEST_CASE("A wrong number of arguments is answered with the form") {
  check_refused("local()", "expected 1 number, got 0. The form is local(l[, window=paper])");
  check_refused("local", "got 0");
  check_refused("local(1, 2)", "got 2");
  check_refused("dense(3)", "expected 0 numbers, got 1");
  check_refused("summary(8)", "expected 2 to 3 numbers, got 1");
  check_refused("fixed(8, 1, 1, 1)", "The form is fixed(l, c[, n])");
  check_refused("strided()", "strided: expected 1 number");
}

TEST_CASE("Numbers out of range are named") {
  check_refused("local(0)", "expected 1 <= l <= 2^40, got l = 0");
  check_refused("column(-3)", "got l = -3");
  check_refused("block(0)", "block: expected 1 <= l");
  check_refused("strided(0)", "strided: expected 1 <= l");
  check_refused("summary(8, 0)", "got c = 0");
  check_refused("fixed(8, 2, 0)", "got n = 0");
  check_refused("summary(8, 9)", "expected c <= l, got l = 8, c = 9");
  check_refused("fixed(8, 9)", "fixed: expected c <= l");
  check_refused("summary(8, 3, 3)", "expected n*c <= l, got l = 8, c = 3, n = 3");
  check_refused("fixed(1099511627776, 1099511627776, 1099511627776)", "expected n*c <= l");
  check_refused("local(1099511627777)", "<= 2^40");
}

TEST_CASE("Words that a pattern does not know are refused") {
  check_refused("local(8, window=big)", "expected window=code or window=paper, got window=big");
  check_refused("local(8, widow=paper)", "does not know \"widow=paper\"");
  check_refused("column(8, window=paper)", "column: does not know");
  check_refused("strided(8, window=)", "expected name=word");
  check_refused("local(8, window=paper, window=code)", "window is given twice");
}

TEST_CASE("Garbage is refused") {
  check_refused("", "expected the name of a pattern");
  check_refused("   ", "expected the name of a pattern");
  check_refused("(8)", "expected the name of a pattern");
  check_refused("local(8) +", "expected the name of a pattern");
  check_refused("| local(8)", "expected the name of a pattern");
  check_refused("local(8) || dense()", "expected the name of a pattern");
  check_refused("local(8", "parentheses");
  check_refused("local 8)", "there is no pattern 'local 8)'");
  check_refused("local(8))", "parentheses");
  check_refused("local((8)", "parentheses");
  check_refused("local(8) column(8)", "parentheses");
  check_refused("local(8,)", "expected a whole number");
  check_refused("summary(8,,2)", "expected a whole number");
  check_refused("local(x)", "got \"x\"");
  check_refused("local(8.5)", "got \"8.5\"");
  check_refused("local(99999999999999999999)", "expected a whole number");
  check_refused("local(8) + (column(8))", "name of a pattern");
}
