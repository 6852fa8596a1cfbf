#include "lacuna/data/format_options.h"

#include "lacuna/base/error.h"

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

OptionPointer FormatValues::at(const FormatOption& option) {
  OptionValue& value = values_.try_emplace(option.key, option.initial).first->second;
  return std::visit([](auto& held) -> OptionPointer { return &held; }, value);
}

}  // namespace lacuna
