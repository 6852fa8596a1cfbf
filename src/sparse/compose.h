// How patterns are made and put together; shared by the sources of this room only.
#pragma once

#include <string>
#include <vector>

#include "lacuna/sparse/pattern.h"

namespace lacuna::sparse {

/// The pattern named arguments.pattern; throws Error(kConfig) for an unknown name or bad arguments.
PatternPtr make_pattern(const PatternArguments& arguments);

/// The union of two or more parts under one softmax, printed as `text` (empty: "part + part").
/// Throws Error(kConfig) when the parts do not fit in disjoint passes.
PatternPtr merge(const std::vector<PatternPtr>& parts, std::string text = "");

/// Gives head h the entry h mod n, as that entry's head h / n, so that patterns which number their
/// sub-blocks by head still use them evenly.
PatternPtr share_heads(std::vector<PatternPtr> entries);

/// The texts of all, with `separator` between them.
std::string joined_texts(const std::vector<PatternPtr>& patterns, const char* separator);

/// The largest stride of all.
int64_t largest_stride(const std::vector<PatternPtr>& patterns);

}  // namespace lacuna::sparse
