#include "lacuna/sparse/cache.h"

#include <algorithm>
#include <functional>
#include <queue>

namespace lacuna::sparse {
namespace {

// The queries that read key j are neighbours, because both ends of the intervals only grow: the
// last of them is the last query whose interval begins at or before j, if that one ends after j.
void note_readers(const Pass& pass, int64_t lane, std::vector<int64_t>& last) {
  const int64_t queries = pass.query_count(lane), keys = pass.key_count(lane);
  int64_t query = 0;
  for (int64_t key = 0; key < keys; ++key) {
    while (query < queries && pass.begin.value(query) <= key) ++query;
    if (query == 0 || pass.end.value(query - 1) <= key) continue;
    int64_t& reader = last[static_cast<size_t>(pass.keys.position(lane, key))];
    reader = std::max(reader, pass.queries.position(lane, query - 1));
  }
}

}  // namespace

std::vector<int64_t> last_readers(const std::vector<Pass>& passes, int64_t length) {
  std::vector<int64_t> last(static_cast<size_t>(length), -1);
  for (const Pass& pass : passes) {
    for (int64_t lane = 0; lane < pass.lanes; ++lane) note_readers(pass, lane, last);
  }
  return last;
}

CacheSlots cache_slots(const std::vector<Pass>& passes, int64_t length) {
  const std::vector<int64_t> last = last_readers(passes, length);
  std::vector<std::vector<int32_t>> freed(static_cast<size_t>(length));  // by the last reader
  std::priority_queue<int32_t, std::vector<int32_t>, std::greater<>> free;
  CacheSlots slots{0, std::vector<int32_t>(static_cast<size_t>(length), -1)};
  for (size_t position = 0; position < last.size(); ++position) {
    if (last[position] >= 0) {
      if (free.empty()) free.push(static_cast<int32_t>(slots.count++));
      slots.slot_of[position] = free.top();
      free.pop();
      freed[static_cast<size_t>(last[position])].push_back(slots.slot_of[position]);
    }
    for (const int32_t slot : freed[position]) free.push(slot);
  }
  return slots;
}

std::vector<CacheSlots> head_slots(const std::vector<std::vector<Pass>>& passes, int64_t length) {
  std::vector<CacheSlots> slots;
  for (const auto& of_head : passes) slots.push_back(cache_slots(of_head, length));
  return slots;
}

int64_t most_slots(const std::vector<CacheSlots>& of_heads) {
  int64_t most = 0;
  for (const CacheSlots& slots : of_heads) most = std::max(most, slots.count);
  return most;
}

}  // namespace lacuna::sparse
