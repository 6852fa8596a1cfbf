#include "compose.h"
#include "lacuna/base/names.h"

namespace lacuna::sparse {

#define LACUNA_PATTERN(name, form, description) PatternPtr make_##name(const PatternArguments&);
#include "patterns.def"
#undef LACUNA_PATTERN

namespace {

struct Maker {
  PatternEntry entry;
  PatternPtr (*make)(const PatternArguments&);
};

constexpr Maker kMakers[] = {
#define LACUNA_PATTERN(name, form, description) {{#name, form, description}, make_##name},
#include "patterns.def"
#undef LACUNA_PATTERN
};

}  // namespace

std::vector<PatternEntry> known_patterns() {
  std::vector<PatternEntry> entries;
  for (const Maker& maker : kMakers) entries.push_back(maker.entry);
  return entries;
}

PatternPtr make_pattern(const PatternArguments& arguments) {
  std::vector<std::string> names;
  for (const Maker& maker : kMakers) {
    if (arguments.pattern == maker.entry.name) return maker.make(arguments);
    names.emplace_back(maker.entry.name);
  }
  throw unknown_name(ErrorKind::kConfig, "attention", "pattern", arguments.pattern, names);
}

}  // namespace lacuna::sparse
