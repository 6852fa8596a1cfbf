// Options that one data format alone has. They stand under [data] beside those of every format, and
// are listed, checked and stored only where their format is the one that is read.
#pragma once

#include <map>
#include <string>
#include <utility>

#include "lacuna/base/option.h"

namespace lacuna {

struct FormatOption {
  std::string key;  // "block": the option data.block
  OptionValue initial;
  Check check;
  std::string help;
  bool decides_symbols = true;  // prepared data serve one value of it alone
};

/// The values of a format's options by key; those that are left out have their defaults once the
/// format is asked for anything. Reading one that is not there, or as another type, is
/// Error(kInternal).
class FormatValues {
 public:
  FormatValues() = default;
  explicit FormatValues(std::map<std::string, OptionValue> values) : values_(std::move(values)) {}

  int64_t whole(const std::string& key) const;
  double number(const std::string& key) const;
  const std::string& text(const std::string& key) const;
  /// The value of an option as text, or its default where it is not there.
  std::string shown(const FormatOption& option) const;
  /// Where the value of an option is kept; made with its default where it is not there.
  OptionPointer at(const FormatOption& option);

 private:
  template <class T>
  const T& get(const std::string& key) const;

  std::map<std::string, OptionValue> values_;
};

}  // namespace lacuna
