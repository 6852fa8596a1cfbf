// The identity of data, unless one is told to stop while it is read.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "lacuna/data/dataset.h"

namespace lacuna::train {

/// Nothing once `stop` has become true.
inline std::optional<std::string> identity_of(const Dataset& data,
                                              const std::function<bool()>& stop) {
  struct Stopped {};
  try {
    return data.identity([&] {
      if (stop()) throw Stopped{};
    });
  } catch (const Stopped&) {
    return std::nullopt;
  }
}

}  // namespace lacuna::train
