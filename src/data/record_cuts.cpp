#include "record_cuts.h"

#include <algorithm>
#include <utility>

#include "lacuna/data/split.h"

namespace lacuna {
namespace {

// Bounds in records, as near to those in bytes as they can be while every part that is to have
// something has a record. Needs as many records as there are such parts.
Bounds whole_records(const RecordStore& store, const Bounds& bytes) {
  Bounds records{};
  std::array<int64_t, 4> least{};  // of part p: 1 where it is to have something
  for (size_t p = 0; p < 3; ++p) least[p] = bytes[p + 1] > bytes[p] ? 1 : 0;
  for (size_t p = 0; p < 3; ++p) {
    records[p + 1] = std::max(nearest_end(store, bytes[p + 1]), records[p] + least[p]);
  }
  int64_t most = store.records();
  for (size_t p = 3; p > 0; --p) {
    records[p] = std::min(records[p], most);
    most = records[p] - least[p - 1];
  }
  return records;
}

Bounds in_bytes(const RecordStore& store, Bounds records) {
  for (int64_t& bound : records) bound = store.record_begin(bound);
  return records;
}

}  // namespace

int64_t nearest_end(const RecordStore& store, int64_t byte) {
  int64_t record = 0;
  while (record < store.records() && store.record_begin(record + 1) <= byte) ++record;
  if (record == store.records()) return record;
  return byte - store.record_begin(record) > store.record_begin(record + 1) - byte ? record + 1
                                                                                   : record;
}

Bounds cut(const RecordStore& store, const RecordRules& rules, const std::string& text,
           int64_t alignment) {
  if (rules.cut == Cut::kRecords) {
    return in_bytes(store, parse_split(text, store.records(), rules.noun).bounds);
  }
  const SplitBounds counted = parse_split(text, int64_t{1} << 60);
  if (rules.cut == Cut::kFiles && counted.counts) {
    return in_bytes(store, parse_split(text, store.records(), "files").bounds);
  }
  Bounds bytes = parse_split(text, store.size()).bounds;
  const auto parts =
      std::count_if(bytes.begin() + 1, bytes.end(), [before = int64_t{0}](int64_t bound) mutable {
        return bound > std::exchange(before, bound);
      });
  if (rules.cut == Cut::kFiles && store.records() > 1 && store.records() >= parts) {
    return in_bytes(store, whole_records(store, bytes));
  }
  for (int64_t& bound : bytes) bound -= bound % alignment;
  return bytes;
}

}  // namespace lacuna
