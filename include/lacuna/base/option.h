// What an option of a configuration may be: its types and the checks beyond them.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace lacuna {

/// What an option's value must satisfy beyond its type.
struct Check {
  double low = 0, high = 0;  // numbers: low <= value <= high, unless both are 0
  const char* words = "";    // strings: one of these, separated by '|'; empty: any
};
constexpr Check any() {
  return {};
}
constexpr Check between(double low, double high) {
  return {low, high, ""};
}
constexpr Check one_of(const char* words) {
  return {0, 0, words};
}

using OptionValue =
    std::variant<int64_t, double, std::string, std::vector<std::string>, std::vector<int64_t>>;
using OptionPointer =
    std::variant<int64_t*, double*, std::string*, std::vector<std::string>*, std::vector<int64_t>*>;

}  // namespace lacuna
