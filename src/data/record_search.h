// Where a byte or symbol lies among records, of a store or of a part.
#pragma once

#include <cstdint>

namespace lacuna {

/// The last record that begins at or before `at`; 0 where there is none.
template <class Records>
int64_t last_record_at(const Records& records, int64_t at) {
  int64_t low = 0, high = records.records();
  while (high - low > 1) {
    const int64_t middle = low + (high - low) / 2;
    (records.record_begin(middle) <= at ? low : high) = middle;
  }
  return low;
}

}  // namespace lacuna
