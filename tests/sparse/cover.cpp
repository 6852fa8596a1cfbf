#include "cover.h"

#include <algorithm>

#include "lacuna/base/text.h"

namespace lacuna::sparse {
namespace {

struct Count {
  int64_t length;
  std::vector<uint8_t> times;

  explicit Count(int64_t n) : length(n), times(static_cast<size_t>(n * n)) {}
  uint8_t& at(int64_t query, int64_t key) {
    return times[static_cast<size_t>(query * length + key)];
  }
};

/// The positions of a lane, one by one; `owners` counts the lanes that hold each position.
std::string walk(const Order& order, int64_t lane, int64_t length, std::vector<int>& owners,
                 std::vector<int64_t>& positions) {
  positions.clear();
  int64_t before = -1;
  for (int64_t i = 0;; ++i) {
    const int64_t position = order.position(lane, i);
    if (position <= before) return str("lane ", lane, ": position ", i, " does not increase");
    if (position >= length) break;
    if (owners[static_cast<size_t>(position)]++ > 0) {
      return str("position ", position, " is in two lanes");
    }
    positions.push_back(position);
    before = position;
  }
  const int64_t count = order.count_below(lane, length);
  if (count != static_cast<int64_t>(positions.size())) {
    return str("lane ", lane, ": count_below is ", count, ", not ", positions.size());
  }
  return "";
}

std::string count_pass(const Pass& pass, Count& count) {
  const int64_t length = count.length;
  if (pass.length != length) return str("the pass has length ", pass.length);
  std::vector<int> query_owners(static_cast<size_t>(length));
  std::vector<int> key_owners(static_cast<size_t>(length));
  std::vector<int64_t> queries;
  std::vector<int64_t> keys;
  int64_t pairs = 0;
  for (int64_t lane = 0; lane < pass.lanes; ++lane) {
    std::string fault = walk(pass.queries, lane, length, query_owners, queries);
    if (fault.empty()) fault = walk(pass.keys, lane, length, key_owners, keys);
    if (!fault.empty()) return fault;
    Interval before{0, 0};
    for (int64_t i = 0; i < static_cast<int64_t>(queries.size()); ++i) {
      const Interval now = pass.interval(lane, i);
      if (now.begin < before.begin || now.end < before.end) return "a bound decreases";
      if (now.end > static_cast<int64_t>(keys.size())) return "an interval ends after the keys";
      for (int64_t k = now.begin; k < now.end; ++k, ++pairs) {
        ++count.at(queries[static_cast<size_t>(i)], keys[static_cast<size_t>(k)]);
      }
      before = now;
    }
  }
  if (pass.pairs() != pairs) return str("Pass::pairs is ", pass.pairs(), ", not ", pairs);
  return "";
}

}  // namespace

std::string cover_fault(const Pattern& pattern, int64_t head, int64_t length,
                        const Bound& horizon) {
  Count count(length);
  for (const Pass& pass : pattern.passes(head, length, horizon)) {
    const std::string fault = count_pass(pass, count);
    if (!fault.empty()) return fault;
  }
  int64_t pairs = 0;
  for (int64_t q = 0; q < length; ++q) {
    for (int64_t k = 0; k < length; ++k) {
      const bool attends = pattern.attends(head, q, k);
      if (attends && k > q) return str("query ", q, " reads the future key ", k);
      const int wanted = attends && k < horizon.value(q) ? 1 : 0;
      if (count.at(q, k) != wanted) {
        return str("pair (", q, ", ", k, ") comes ", int{count.at(q, k)}, " times, not ", wanted);
      }
      pairs += wanted;
    }
  }
  if (horizon == kEverything && attended_pairs(pattern, head, length) != pairs) {
    return str("attended_pairs is not ", pairs);
  }
  return "";
}

Keys dense_keys(int64_t i) {
  return window_keys(i, i + 1);
}

Keys window_keys(int64_t i, int64_t width) {
  Keys keys;
  for (int64_t j = std::max<int64_t>(0, i - width + 1); j <= i; ++j) keys.insert(j);
  return keys;
}

Keys column_keys(int64_t i, int64_t l) {
  Keys keys;
  for (int64_t j = i; j >= 0; j -= l) keys.insert(j);
  return keys;
}

Keys block_keys(int64_t i, int64_t l) {
  Keys keys;
  for (int64_t j = i;; --j) {
    keys.insert(j);
    if (j % l == 0) return keys;
  }
}

Keys summary_keys(int64_t i, int64_t l, int64_t c, int64_t g) {
  Keys keys;
  for (int64_t block_end = l; block_end - l <= i; block_end += l) {
    for (int64_t t = 1; t <= c; ++t) {
      const int64_t j = block_end - g * c - t;
      if (j <= i) keys.insert(j);
    }
  }
  return keys;
}

Keys both(Keys a, const Keys& b) {
  a.insert(b.begin(), b.end());
  return a;
}

Keys attended_keys(const Pattern& pattern, int64_t head, int64_t i, int64_t length) {
  Keys keys;
  for (int64_t j = 0; j < length; ++j) {
    if (pattern.attends(head, i, j)) keys.insert(j);
  }
  return keys;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::vector<int64_t> lengths_for(int64_t l) {
  const std::set<int64_t> lengths{1, std::max<int64_t>(1, l - 1), l, l + 1, 2 * l + 3, 31, 97};
  return {lengths.begin(), lengths.end()};
}

}  // namespace lacuna::sparse
