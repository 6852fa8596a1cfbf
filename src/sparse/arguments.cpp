#include "arguments.h"

#include <algorithm>

#include "lacuna/base/error.h"
#include "lacuna/base/text.h"

namespace lacuna::sparse {
namespace {

// Keeps sums and small multiples of positions inside 64 bits.
constexpr int64_t kLargest = int64_t{1} << 40;

std::string form_of(const std::string& name) {
  for (const PatternEntry& entry : known_patterns()) {
    if (entry.name == name) return entry.form;
  }
  return name;
}

}  // namespace

void refuse(const PatternArguments& arguments, const std::string& message) {
  throw Error(ErrorKind::kConfig, arguments.pattern, message,
              "The form is " + form_of(arguments.pattern));
}

void expect_arguments(const PatternArguments& arguments, size_t least, size_t most,
                      const std::vector<std::string>& words) {
  const size_t count = arguments.numbers.size();
  if (count < least || count > most) {
    const std::string wanted = least == most ? str(least) : str(least, " to ", most);
    refuse(arguments,
           str("expected ", wanted, most == 1 ? " number, got " : " numbers, got ", count));
  }
  for (const auto& [name, value] : arguments.words) {
    if (std::find(words.begin(), words.end(), name) == words.end()) {
      refuse(arguments, str("does not know \"", name, "=", value, "\""));
    }
  }
}

int64_t positive(const PatternArguments& arguments, size_t index, const char* symbol) {
  const int64_t value = arguments.numbers.at(index);
  if (value < 1 || value > kLargest) {
    refuse(arguments, str("expected 1 <= ", symbol, " <= 2^40, got ", symbol, " = ", value));
  }
  return value;
}

bool has_paper_window(const PatternArguments& arguments) {
  const auto word = arguments.words.find("window");
  if (word == arguments.words.end() || word->second == "code") return false;
  if (word->second != "paper") {
    refuse(arguments, "expected window=code or window=paper, got window=" + word->second);
  }
  return true;
}

SummaryShape summary_shape(const PatternArguments& arguments) {
  expect_arguments(arguments, 2, 3);
  const int64_t l = positive(arguments, 0, "l");
  const int64_t c = positive(arguments, 1, "c");
  const int64_t n = arguments.numbers.size() > 2 ? positive(arguments, 2, "n") : 1;
  if (c > l) refuse(arguments, str("expected c <= l, got l = ", l, ", c = ", c));
  if (n > l / c) {
    refuse(arguments, str("expected n*c <= l, got l = ", l, ", c = ", c, ", n = ", n));
  }
  return {l, c, n};
}

std::string call_text(const std::string& name, const std::vector<int64_t>& numbers,
                      const std::map<std::string, std::string>& words) {
  std::vector<std::string> parts;
  parts.reserve(numbers.size() + words.size());
  for (int64_t number : numbers) parts.push_back(str(number));
  for (const auto& [word, value] : words) parts.push_back(str(word, "=", value));
  return name + '(' + join(parts, ", ") + ')';
}

std::string summary_text(const std::string& name, const SummaryShape& shape) {
  if (shape.n == 1) return call_text(name, {shape.l, shape.c});
  return call_text(name, {shape.l, shape.c, shape.n});
}

}  // namespace lacuna::sparse
