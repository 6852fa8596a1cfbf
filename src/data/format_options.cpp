#include "lacuna/data/format_options.h"

#include <type_traits>

#include "lacuna/base/error.h"
#include "lacuna/base/text.h"

namespace lacuna {

template <class T>
const T& FormatValues::get(const std::string& key) const {
  const auto found = values_.find(key);
  if (found == values_.end() || !std::holds_alternative<T>(found->second)) {
    throw Error(ErrorKind::kInternal, "data." + key,
                "is no option of this format, or is of another type");
  }
  return std::get<T>(found->second);
}

int64_t FormatValues::whole(const std::string& key) const {
  return get<int64_t>(key);
}

double FormatValues::number(const std::string& key) const {
  return get<double>(key);
}

const std::string& FormatValues::text(const std::string& key) const {
  return get<std::string>(key);
}

std::string FormatValues::shown(const FormatOption& option) const {
  const auto found = values_.find(option.key);
  const OptionValue& value = found == values_.end() ? option.initial : found->second;
  return std::visit(
      [](const auto& held) -> std::string {
        using T = std::decay_t<decltype(held)>;
        if constexpr (std::is_same_v<T, double>) return exact(held);
        if constexpr (std::is_same_v<T, int64_t>) return std::to_string(held);
        if constexpr (std::is_same_v<T, std::string>) return held;
        std::string list;
        if constexpr (std::is_same_v<T, std::vector<std::string>>) {
          for (const std::string& entry : held) list += shell_quoted(entry) + ' ';
        } else if constexpr (std::is_same_v<T, std::vector<int64_t>>) {
          for (const int64_t entry : held) list += std::to_string(entry) + ' ';
        }
        return list.substr(0, list.empty() ? 0 : list.size() - 1);
      },
      value);
}

OptionPointer FormatValues::at(const FormatOption& option) {
  OptionValue& value = values_.try_emplace(option.key, option.initial).first->second;
  return std::visit([](auto& held) -> OptionPointer { return &held; }, value);
}

}  // namespace lacuna
