// What every pattern of src/sparse/patterns.def must satisfy. Its arguments are made from its call
// form: a name stands for a whole number, `word=value` for itself, and what is in brackets may be
// left out. Of the numbers tried, a pattern may refuse those that make no sense.
#include <algorithm>

#include "../catch.h"
#include "../sparse/cover.h"
#include "lacuna/base/error.h"
#include "lacuna/base/text.h"

using namespace lacuna;
using namespace lacuna::sparse;

namespace {

constexpr int64_t kHeads[] = {0, 1, 2, 5};
constexpr int64_t kLengths[] = {1, 2, 7, 24, 31};
constexpr int64_t kLongest = 31;

struct Form {
  std::vector<std::string> arguments;
  size_t required = 0;  // of the arguments, the first ones
};

Form form_of(const PatternEntry& entry) {
  const std::string form = entry.form, head = std::string(entry.name) + '(';
  CAPTURE(form);
  REQUIRE(form.starts_with(head));
  REQUIRE(form.ends_with(")"));
  Form result;
  bool optional = false;
  for (std::string part : split(form.substr(head.size(), form.size() - head.size() - 1), ',')) {
    optional = optional || part.starts_with("[");
    const bool opens = part.ends_with("[");
    std::erase_if(part, [](char c) { return c == ' ' || c == '[' || c == ']'; });
    if (part.empty()) continue;
    result.arguments.push_back(part);
    if (!optional) ++result.required;
    optional = optional || opens;
  }
  return result;
}

bool is_word(const std::string& argument) {
  return contains(argument, "=");
}

/// All calls with the first `count` arguments of the form, each number one of a few.
std::vector<std::string> calls(const std::string& name, const Form& form, size_t count) {
  std::vector<std::string> texts{name + '('};
  for (size_t i = 0; i < count; ++i) {
    std::vector<std::string> longer;
    for (const std::string& text : texts) {
      const std::string start = i == 0 ? text : text + ", ";
      if (is_word(form.arguments[i])) {
        longer.push_back(start + form.arguments[i]);
        continue;
      }
      for (const int number : {1, 2, 3, 6, 8}) longer.push_back(str(start, number));
    }
    texts = std::move(longer);
  }
  for (std::string& text : texts) text += ')';
  return texts;
}

/// The pattern, or none where its arguments are refused as a configuration.
PatternPtr parsed(const std::string& text) {
  try {
    return parse_pattern(text);
  } catch (const Error& refusal) {
    CHECK(refusal.kind() == ErrorKind::kConfig);
    return nullptr;
  }
}

/// Every call that the form of a known pattern allows and the pattern accepts; of each number of
/// arguments there must be one.
std::vector<std::string> accepted_calls(const PatternEntry& entry) {
  const Form form = form_of(entry);
  std::vector<std::string> accepted;
  for (size_t count = form.required; count <= form.arguments.size(); ++count) {
    const size_t before = accepted.size();
    for (const std::string& text : calls(entry.name, form, count)) {
      if (parsed(text) != nullptr) accepted.push_back(text);
    }
    INFO(entry.form << " with " << count << " arguments");
    CHECK(accepted.size() > before);
  }
  return accepted;
}

void refused_with_form(const PatternEntry& entry, const std::string& call) {
  CAPTURE(call);
  try {
    parse_pattern(call);
    FAIL("it was accepted");
  } catch (const Error& refusal) {
    CAPTURE(refusal.what());
    CHECK(refusal.kind() == ErrorKind::kConfig);
    CHECK(contains(refusal.what(), std::string("The form is ") + entry.form));
  }
}

/// Cut at `horizon`, the passes cover what is left, or the pattern says that it cannot be cut.
void check_cut(const Pattern& pattern, const Bound& horizon) {
  std::string fault;
  try {
    for (const int64_t length : kLengths) {
      if (fault.empty()) fault = cover_fault(pattern, 1, length, horizon);
    }
  } catch (const Error& refusal) {
    CHECK(refusal.kind() == ErrorKind::kConfig);
    return;
  }
  CAPTURE(horizon.shift, horizon.period, horizon.step);
  CHECK(fault == "");
}

}  // namespace

TEST_CASE("The passes of every pattern cover exactly what it attends to, and nothing later",
          "[tables]") {
  for (const PatternEntry& entry : known_patterns()) {
    for (const std::string& text : accepted_calls(entry)) {
      const PatternPtr pattern = parse_pattern(text);
      for (const int64_t head : kHeads) {
        for (const int64_t length : kLengths) {
          const std::string fault = cover_fault(*pattern, head, length);
          CAPTURE(text, head, length);
          CHECK(fault == "");
        }
      }
    }
  }
}

TEST_CASE("Every pattern can be cut where another begins, or says that it cannot", "[tables]") {
  for (const PatternEntry& entry : known_patterns()) {
    for (const std::string& text : accepted_calls(entry)) {
      CAPTURE(text);
      const PatternPtr pattern = parse_pattern(text);
      for (const Bound& horizon : {Bound{.shift = 0}, Bound{.shift = -4}, Bound{.step = 0},
                                   Bound{.period = 4, .step = 4}, Bound{.period = 6, .step = 6}}) {
        check_cut(*pattern, horizon);
      }
    }
  }
}

TEST_CASE("Every pattern that calls its keys a suffix reads all keys from there on", "[tables]") {
  for (const PatternEntry& entry : known_patterns()) {
    for (const std::string& text : accepted_calls(entry)) {
      const PatternPtr pattern = parse_pattern(text);
      const std::optional<Bound> suffix = pattern->suffix();
      CAPTURE(text);
      CHECK(pattern->stride() >= 0);
      if (!suffix.has_value()) continue;
      for (int64_t q = 0; q < kLongest; ++q) {
        CHECK(attended_keys(*pattern, 1, q, kLongest) == window_keys(q, q + 1 - suffix->value(q)));
      }
    }
  }
}

TEST_CASE("The text of every pattern reads back as the same pattern", "[tables]") {
  for (const PatternEntry& entry : known_patterns()) {
    for (const std::string& call : accepted_calls(entry)) {
      const PatternPtr pattern = parse_pattern(call);
      const std::string text = pattern->text();
      CAPTURE(call, text);
      const PatternPtr again = parsed(text);
      REQUIRE(again != nullptr);
      CHECK(again->text() == text);
      CHECK(again->stride() == pattern->stride());
      for (const int64_t head : kHeads) {
        for (int64_t q = 0; q < kLongest; ++q) {
          CHECK(attended_keys(*again, head, q, kLongest) ==
                attended_keys(*pattern, head, q, kLongest));
        }
      }
    }
  }
}

TEST_CASE("Every pattern is known by its name, described, and answers a wrong call with its form",
          "[tables]") {
  for (const PatternEntry& entry : known_patterns()) {
    const Form form = form_of(entry);
    CHECK(std::string(entry.description).size() > 10);
    if (form.required > 0) refused_with_form(entry, std::string(entry.name) + "()");
    std::vector<std::string> ones(form.arguments.size() + 1, "1");
    refused_with_form(entry, str(entry.name, '(', join(ones, ", "), ')'));
    ones.resize(form.required);
    ones.emplace_back("nonsense=1");
    refused_with_form(entry, str(entry.name, '(', join(ones, ", "), ')'));
    try {
      parse_pattern("zzzzzzzzzzzzzzzzzzzz(1)");
      FAIL("an unknown pattern was accepted");
    } catch (const Error& refusal) {
      CHECK(contains(refusal.what(), entry.name));
    }
  }
}
