// What the device itself reports, told from mistakes of the program.
#pragma once

#include "lacuna/base/error.h"

namespace lacuna {

/// An Error(kInternal): the device has failed, and whatever is asked of it from now on will.
class DeviceError : public Error {
 public:
  DeviceError(const std::string& place, const std::string& message)
      : Error(ErrorKind::kInternal, place, message) {}
};

}  // namespace lacuna
