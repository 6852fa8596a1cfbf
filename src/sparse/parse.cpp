#include <charconv>

#include "compose.h"
#include "lacuna/base/error.h"
#include "lacuna/base/text.h"

namespace lacuna::sparse {
namespace {

[[noreturn]] void malformed(std::string_view call, const std::string& message) {
  throw Error(
      ErrorKind::kConfig, str("\"", call, "\""), message,
      "Patterns are written like local(128) | column(128), or block(128) + summary(128, 32)");
}

void read_argument(std::string_view call, std::string_view argument, PatternArguments& into) {
  const size_t equals = argument.find('=');
  if (equals == std::string_view::npos) {
    int64_t number = 0;
    const char* end = argument.data() + argument.size();
    const auto [stop, status] = std::from_chars(argument.data(), end, number);
    if (status != std::errc() || stop != end) {
      malformed(call, str("expected a whole number or name=word, got \"", argument, "\""));
    }
    into.numbers.push_back(number);
    return;
  }
  const std::string name(trimmed(argument.substr(0, equals)));
  const std::string word(trimmed(argument.substr(equals + 1)));
  if (name.empty() || word.empty()) {
    malformed(call, str("expected name=word, got \"", argument, "\""));
  }
  if (!into.words.emplace(name, word).second) malformed(call, name + " is given twice");
}

/// name(argument, ...); a name alone stands for a call without arguments.
PatternPtr parse_call(std::string_view call) {
  call = trimmed(call);
  const size_t open = call.find('(');
  PatternArguments arguments;
  arguments.pattern = trimmed(call.substr(0, open));
  if (arguments.pattern.empty()) malformed(call, "expected the name of a pattern");
  if (open != std::string_view::npos) {
    if (call.find(')') != call.size() - 1 || call.find('(', open + 1) != std::string_view::npos) {
      malformed(call, "expected one pair of parentheses, at the end");
    }
    const std::string_view inside = trimmed(call.substr(open + 1, call.size() - open - 2));
    if (!inside.empty()) {
      for (const std::string& argument : split(inside, ',')) {
        read_argument(call, trimmed(argument), arguments);
      }
    }
  }
  return make_pattern(arguments);
}

PatternPtr parse_merged(std::string_view text) {
  std::vector<PatternPtr> parts;
  for (const std::string& call : split(text, '+')) parts.push_back(parse_call(call));
  return parts.size() == 1 ? parts.front() : merge(parts);
}

}  // namespace

PatternPtr parse_pattern(const std::string& text) {
  try {
    std::vector<PatternPtr> entries;
    for (const std::string& entry : split(text, '|')) entries.push_back(parse_merged(entry));
    return entries.size() == 1 ? entries.front() : share_heads(std::move(entries));
  } catch (const Error& error) {
    throw Error(error.kind(), "attention pattern \"" + text + "\"", error.what());
  }
}

}  // namespace lacuna::sparse
