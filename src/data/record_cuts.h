// Where data.split cuts the records of a store.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "lacuna/data/records.h"

namespace lacuna {

using Bounds = std::array<int64_t, 4>;  // part p is [bounds[p], bounds[p + 1])

/// The end of a record that is the nearest to a byte, as the number of records before it.
int64_t nearest_end(const RecordStore& store, int64_t byte);

/// Bounds in bytes by the text of data.split, at multiples of `alignment` where records are cut.
/// Throws Error(kConfig).
Bounds cut(const RecordStore& store, const RecordRules& rules, const std::string& text,
           int64_t alignment);

}  // namespace lacuna
