// Where keys and values are kept while a sequence is decoded position by position: a pure function
// of the passes. A key takes a slot when its position comes, and gives it back once the last query
// that reads it has passed.
#pragma once

#include <cstdint>
#include <vector>

#include "lacuna/sparse/pass.h"

namespace lacuna::sparse {

/// The slots of one head: plain data, which a backend may copy to its device.
struct CacheSlots {
  int64_t count = 0;             // slots in use when most are: no order of slots needs fewer
  std::vector<int32_t> slot_of;  // [T]: the slot of each position's key, -1 if no query reads it
};

/// For every position below `length` the last query that reads its key, -1 if there is none.
/// `passes` are those of one head, all of this length.
std::vector<int64_t> last_readers(const std::vector<Pass>& passes, int64_t length);

/// Slots for the keys of one head, given in the order of positions, the lowest free one first.
CacheSlots cache_slots(const std::vector<Pass>& passes, int64_t length);

/// cache_slots() of every head, and the most that one of them uses.
std::vector<CacheSlots> head_slots(const std::vector<std::vector<Pass>>& passes, int64_t length);
int64_t most_slots(const std::vector<CacheSlots>& of_heads);

}  // namespace lacuna::sparse
