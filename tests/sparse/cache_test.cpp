// cache_slots() against attends(): a model of the cache is filled position by position, and every
// key that a query attends must be in its slot at that time.
#include "lacuna/sparse/cache.h"

#include <map>

#include "../catch.h"
#include "cover.h"
#include "lacuna/base/text.h"

using namespace lacuna;
using namespace lacuna::sparse;

namespace {

CacheSlots slots_of(const std::string& text, int64_t head, int64_t length) {
  return cache_slots(parse_pattern(text)->passes(head, length, kEverything), length);
}

/// The first broken promise of the slots of one head; empty if there is none.
std::string slots_fault(const Pattern& pattern, int64_t head, int64_t length) {
  const CacheSlots slots = cache_slots(pattern.passes(head, length, kEverything), length);
  if (static_cast<int64_t>(slots.slot_of.size()) != length) return "a position has no entry";
  std::vector<int64_t> last(static_cast<size_t>(length), -1);
  std::map<int32_t, int64_t> cache;  // which key is in a slot
  for (int64_t q = 0; q < length; ++q) {
    const int32_t own = slots.slot_of[size_t(q)];
    if (own >= slots.count || own < -1) return str("position ", q, " has slot ", own);
    if (own >= 0) cache[own] = q;
    for (int64_t key = 0; key <= q; ++key) {
      if (!pattern.attends(head, q, key)) continue;
      last[size_t(key)] = q;
      const int32_t slot = slots.slot_of[size_t(key)];
      if (slot < 0) return str("key ", key, " has no slot, but ", q, " reads it");
      if (cache[slot] != key) return str("query ", q, " finds ", cache[slot], ", not ", key);
    }
  }
  int64_t most = 0;
  for (int64_t now = 0; now < length; ++now) {
    int64_t alive = 0;
    for (int64_t key = 0; key <= now; ++key) alive += last[size_t(key)] >= now ? 1 : 0;
    most = std::max(most, alive);
    if (last[size_t(now)] < 0 && slots.slot_of[size_t(now)] != -1) {
      return str("nobody reads ", now, ", and it has a slot");
    }
  }
  if (last != last_readers(pattern.passes(head, length, kEverything), length)) {
    return "the last readers are others";
  }
  if (slots.count != most) return str(slots.count, " slots, though at most ", most, " are alive");
  return "";
}

void check_slots(const std::string& text, int64_t head, int64_t length) {
  CAPTURE(text, head, length);
  CHECK(slots_fault(*parse_pattern(text), head, length) == "");
}

}  // namespace

TEST_CASE("Every key is in its slot while it is read, for patterns with one number") {
  for (const int64_t l : kStrides) {
    for (const int64_t length : lengths_for(l)) {
      for (const char* name : {"local", "column", "block", "strided"}) {
        check_slots(str(name, "(", l, ")"), 1, length);
      }
      check_slots("dense()", 0, length);
      check_slots(str("local(", l, ", window=paper)"), 0, length);
      check_slots(str("strided(", l, ", window=paper)"), 0, length);
    }
  }
}

TEST_CASE("Every key is in its slot while it is read, for summary and fixed") {
  for (const int64_t l : {1, 3, 8}) {
    for (int64_t c = 1; c <= l; ++c) {
      for (int64_t n = 1; n * c <= l; ++n) {
        for (int64_t head = 0; head <= n; ++head) {
          for (const int64_t length : lengths_for(l)) {
            check_slots(str("summary(", l, ", ", c, ", ", n, ")"), head, length);
            check_slots(str("fixed(", l, ", ", c, ", ", n, ")"), head, length);
          }
        }
      }
    }
  }
}

TEST_CASE("Every key is in its slot while it is read, for merges and shared heads") {
  for (const char* text :
       {"local(3) + summary(6, 2)", "local(7) + column(3)", "local(6) + column(4)",
        "block(12) + summary(4, 1)", "block(6) + column(3)", "local(5) + block(9)",
        "dense() + column(3)", "local(4) | column(4)", "summary(8, 2) | block(8)",
        "strided(5) | dense() | fixed(9, 2)", "summary(4, 1, 2) | strided(4)"}) {
    for (int64_t head = 0; head < 6; ++head) {
      for (const int64_t length : {1, 2, 5, 8, 13, 24, 31, 97}) check_slots(text, head, length);
    }
  }
}

TEST_CASE("The slots of all heads are those of each, and the most is that of the largest") {
  const PatternPtr pattern = parse_pattern("local(4) | dense() | column(4)");
  const std::vector<CacheSlots> slots = head_slots(head_passes(*pattern, 4, 20), 20);
  REQUIRE(slots.size() == 4);
  for (size_t head = 0; head < 4; ++head) {
    const CacheSlots alone = cache_slots(pattern->passes(head, 20, kEverything), 20);
    CHECK(slots[head].slot_of == alone.slot_of);
    CHECK(slots[head].count == alone.count);
  }
  CHECK(most_slots(slots) == 20);
  CHECK(most_slots({slots[0], slots[3]}) == 4);
}

TEST_CASE("A head keeps no more than its pattern needs") {
  CHECK(slots_of("local(8)", 0, 100).count == 8);
  CHECK(slots_of("local(8, window=paper)", 0, 100).count == 9);
  CHECK(slots_of("local(8)", 0, 5).count == 5);
  CHECK(slots_of("block(8)", 0, 100).count == 8);
  // The own block, and two of each of the twelve earlier whole ones.
  CHECK(slots_of("fixed(8, 2)", 0, 104).count == 12 * 2 + 8);
  CHECK(slots_of("summary(8, 2)", 0, 104).count == 13 * 2);
  // Each is read again 8 positions later, but for the last 8: they take over each other's slots.
  CHECK(slots_of("column(8)", 0, 100).count == 100 - 7);
  CHECK(slots_of("dense()", 0, 100).count == 100);
}

TEST_CASE("A window's slots go round in a ring") {
  const CacheSlots slots = slots_of("local(3)", 0, 8);
  CHECK(slots.slot_of == std::vector<int32_t>{0, 1, 2, 0, 1, 2, 0, 1});
}

TEST_CASE("A key that nobody reads has no slot, and a sequence without positions has none") {
  // Summaries of four are at 3, 7, ...; the last position is one that ends the sequence.
  const CacheSlots slots = slots_of("summary(4, 1)", 0, 9);
  CHECK(slots.slot_of == std::vector<int32_t>{-1, -1, -1, 0, -1, -1, -1, 1, -1});
  CHECK(slots_of("local(3)", 0, 0).count == 0);
}

TEST_CASE("The passes of a head find its queries again by their positions") {
  for (const char* text : {"dense()", "local(3)", "column(5)", "strided(4)", "fixed(6, 2)"}) {
    for (const int64_t length : {1, 4, 23}) {
      for (const Pass& pass : parse_pattern(text)->passes(0, length, kEverything)) {
        std::vector<bool> found(static_cast<size_t>(length));
        for (int64_t lane = 0; lane < pass.lanes; ++lane) {
          for (int64_t i = 0; i < pass.query_count(lane); ++i) {
            const int64_t position = pass.queries.position(lane, i);
            CAPTURE(text, length, position);
            CHECK(pass.queries.lane_index_of(position, pass.lanes) == LaneIndex{lane, i});
            found[size_t(position)] = true;
          }
        }
        for (int64_t position = 0; position < length; ++position) {
          if (!found[size_t(position)]) {
            CHECK(!pass.queries.lane_index_of(position, pass.lanes).has_value());
          }
        }
      }
    }
  }
}
