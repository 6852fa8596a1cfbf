// How every table of lacuna answers a name that it does not have.
#pragma once

#include <string>
#include <vector>

#include "lacuna/base/error.h"

namespace lacuna {

/// "place: there is no <what> '<name>'. Did you mean ...?", with the nearest of `known`, or the
/// names of all when none is near.
Error unknown_name(ErrorKind kind, const std::string& place, const std::string& what,
                   const std::string& name, const std::vector<std::string>& known);

}  // namespace lacuna
