#include "record_cuts.h"

#include <algorithm>
#include <utility>

#include "lacuna/data/split.h"
#include "record_search.h"

namespace lacuna {
namespace {

// Bounds in records, as near to `wanted` as they can be while every part that `parts` gives
// something has a record. With fewer records than such parts the first of them has all.
Bounds with_a_record_each(Bounds wanted, const std::array<bool, 3>& parts, int64_t records) {
  const auto count = std::count(parts.begin(), parts.end(), true);
  if (records < count) {
    const auto first = std::find(parts.begin(), parts.end(), true) - parts.begin();
    for (size_t p = 0; p < 3; ++p) wanted[p + 1] = std::cmp_less(p, first) ? 0 : records;
    return wanted;
  }
  for (size_t p = 0; p < 3; ++p) {
    wanted[p + 1] = std::max(wanted[p + 1], wanted[p] + (parts[p] ? 1 : 0));
  }
  int64_t most = records;
  for (size_t p = 3; p > 0; --p) {
    wanted[p] = std::min(wanted[p], most);
    most = wanted[p] - (parts[p - 1] ? 1 : 0);
  }
  return wanted;
}

// Which parts a split gives something of what is long enough.
std::array<bool, 3> parts_of(const std::string& text) {
  const SplitBounds some = parse_split(text, int64_t{1} << 60);
  std::array<bool, 3> parts{};
  for (const Split split : kSplits) parts[static_cast<size_t>(split)] = some.size(split) > 0;
  return parts;
}

Bounds in_bytes(const RecordStore& store, Bounds records) {
  for (int64_t& bound : records) bound = store.record_begin(bound);
  return records;
}

}  // namespace

int64_t nearest_end(const RecordStore& store, int64_t byte) {
  const int64_t record = last_record_at(store, byte);
  const int64_t begin = store.record_begin(record), end = store.record_begin(record + 1);
  return byte - begin > end - byte ? record + 1 : record;
}

Bounds cut(const RecordStore& store, const RecordRules& rules, const std::string& text,
           int64_t alignment) {
  const std::array<bool, 3> parts = parts_of(text);
  const bool counts = parse_split(text, int64_t{1} << 60).counts;
  if (rules.cut == Cut::kRecords || (rules.cut == Cut::kFiles && counts)) {
    const std::string noun = rules.cut == Cut::kFiles ? "files" : rules.noun;
    Bounds records = parse_split(text, store.records(), noun).bounds;
    if (!counts) records = with_a_record_each(records, parts, store.records());
    return in_bytes(store, records);
  }
  Bounds bytes = parse_split(text, store.size()).bounds;
  const auto wanted = std::count(parts.begin(), parts.end(), true);
  if (rules.cut == Cut::kFiles && store.records() > 1 && store.records() >= wanted) {
    Bounds records{};
    for (size_t p = 1; p < 4; ++p) records[p] = nearest_end(store, bytes[p]);
    return in_bytes(store, with_a_record_each(records, parts, store.records()));
  }
  for (int64_t& bound : bytes) bound -= bound % alignment;
  return bytes;
}

}  // namespace lacuna
