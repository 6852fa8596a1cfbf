// Names with a step in them, as a run gives them to its checkpoints and samples.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lacuna::train {

/// The number between `prefix` and `suffix` if `name` is what a run would write for it, without
/// leading zeros; nothing for any other name, which is not ours then.
inline std::optional<int64_t> numbered(std::string_view name, std::string_view prefix,
                                       std::string_view suffix) {
  if (name.size() < prefix.size() + suffix.size() || !name.starts_with(prefix) ||
      !name.ends_with(suffix)) {
    return std::nullopt;
  }
  name.remove_prefix(prefix.size());
  name.remove_suffix(suffix.size());
  int64_t number = -1;
  std::from_chars(name.data(), name.data() + name.size(), number);
  if (number < 0 || std::to_string(number) != name) return std::nullopt;
  return number;
}

}  // namespace lacuna::train
