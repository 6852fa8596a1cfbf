// Checks of a pattern's arguments and its canonical text. Everything here that refuses an argument
// throws Error(kConfig) with the pattern's name as its place.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "lacuna/sparse/pattern.h"

namespace lacuna::sparse {

[[noreturn]] void refuse(const PatternArguments& arguments, const std::string& message);

/// Refuses all but `least` to `most` numbers and the words named in `words`.
void expect_arguments(const PatternArguments& arguments, size_t least, size_t most,
                      const std::vector<std::string>& words = {});

/// Number `index`, called `symbol` in messages: at least 1, and small enough to compute with.
int64_t positive(const PatternArguments& arguments, size_t index, const char* symbol);

/// True for window=paper (l + 1 keys), false for window=code (l keys) and without the word.
bool has_paper_window(const PatternArguments& arguments);

/// The arguments (l, c[, n]) of summary and fixed, with n*c <= l.
struct SummaryShape {
  int64_t l, c, n;
};
SummaryShape summary_shape(const PatternArguments& arguments);

/// "name(1, 2, word=value)".
std::string call_text(const std::string& name, const std::vector<int64_t>& numbers,
                      const std::map<std::string, std::string>& words = {});
/// "name(l, c)", or "name(l, c, n)" where n is not its default of 1.
std::string summary_text(const std::string& name, const SummaryShape& shape);

}  // namespace lacuna::sparse
