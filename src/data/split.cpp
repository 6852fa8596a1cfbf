#include "lacuna/data/split.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "lacuna/base/error.h"
#include "lacuna/base/text.h"

namespace lacuna {
namespace {

Error bad_split(const std::string& text, const std::string& message) {
  return Error(ErrorKind::kConfig, "data.split", "in '" + text + "' " + message,
               "Give shares such as '0.9 / 0.05 / 0.05' or counts such as '90M / 5M / 5M'");
}

enum class Kind { kEither, kShare, kCount };

struct Number {
  Kind kind;
  double share;
  int64_t count;
};

Number parse_share(const std::string& text, const std::string& part, double value) {
  if (!(value >= 0 && value <= 1)) {
    throw bad_split(text, "'" + part + "' is no share from 0 to 1");
  }
  return {Kind::kShare, value, 0};
}

Number parse_number(const std::string& text, const std::string& part) {
  double value = 0;
  const char* end = part.data() + part.size();
  const auto [stop, status] = std::from_chars(part.data(), end, value);
  const bool bare = status == std::errc() && stop == end;
  if (bare && (value == 0 || value == 1) && part.find('.') == std::string::npos) {
    return {Kind::kEither, value, static_cast<int64_t>(value)};
  }
  if (bare && (part.find('.') != std::string::npos || std::abs(value) < 1)) {
    return parse_share(text, part, value);
  }
  try {
    const int64_t count = parse_count(part);
    if (count < 0) throw bad_split(text, "'" + part + "' is negative");
    return {Kind::kCount, 0, count};
  } catch (const std::invalid_argument&) {
    throw bad_split(text, "'" + part + "' is neither a share nor a whole count");
  }
}

/// floor(share * symbols) of the decimal numbers that the user wrote: a product that misses a whole
/// number by rounding alone (0.29 * 100 = 28.999999999999996) counts as that number.
int64_t share_bound(double share, int64_t symbols) {
  const double product = share * static_cast<double>(symbols);
  const double nearest = std::round(product);
  const double rounding = 4 * std::numeric_limits<double>::epsilon() * product;
  const double bound = std::abs(product - nearest) <= rounding ? nearest : std::floor(product);
  return std::min(static_cast<int64_t>(bound), symbols);
}

SplitBounds cut_by_shares(const std::string& text, const std::vector<Number>& numbers,
                          int64_t symbols) {
  SplitBounds split;
  double sum = 0;
  for (size_t i = 0; i < 3; ++i) {
    if (i < numbers.size()) sum += numbers[i].share;
    split.bounds[i + 1] = share_bound(sum, symbols);
  }
  if (sum > 1 + 1e-9) {
    throw bad_split(text, "the shares sum to " + exact(sum) + ", more than the whole");
  }
  return split;
}

SplitBounds cut_by_counts(const std::string& text, const std::vector<Number>& numbers,
                          int64_t symbols, const std::string& noun) {
  SplitBounds split{.counts = true};
  int64_t sum = 0;  // at most three times the 9e15 of parse_count
  for (size_t i = 0; i < 3; ++i) {
    if (i < numbers.size()) sum += numbers[i].count;
    split.bounds[i + 1] = sum;
  }
  if (sum > symbols) {
    throw bad_split(text, "the counts sum to " + grouped(sum) + ", but the data has " +
                              grouped(symbols) + " " + noun);
  }
  return split;
}

}  // namespace

SplitBounds parse_split(const std::string& text, int64_t size, const std::string& noun) {
  std::vector<Number> numbers;
  bool shares = false, counts = false;
  for (const std::string& part : split(text, '/')) {
    numbers.push_back(parse_number(text, std::string(trimmed(part))));
    shares = shares || numbers.back().kind == Kind::kShare;
    counts = counts || numbers.back().kind == Kind::kCount;
  }
  if (numbers.size() < 2 || numbers.size() > 3) {
    throw bad_split(text, str("there are ", numbers.size(), " parts, expected two or three"));
  }
  if (shares && counts) throw bad_split(text, "shares and counts are mixed");
  int64_t ones = 0;
  for (const Number& number : numbers) ones += number.kind == Kind::kEither ? number.count : 0;
  counts = counts || (!shares && ones > 1);  // "1 / 1 / 1" is no share of anything
  return counts ? cut_by_counts(text, numbers, size, noun) : cut_by_shares(text, numbers, size);
}

}  // namespace lacuna
