// How values of options are written for people; what options.cpp and option_table.cpp share.
#pragma once

#include <string>

#include "lacuna/base/option.h"

namespace lacuna::train {

/// "a whole number".
const char* type_text(const OptionPointer& value);
/// All digits, and whole numbers without a point.
std::string bound_text(double bound);

}  // namespace lacuna::train
