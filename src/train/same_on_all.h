// What must be the same on all ranks before they train together.
#pragma once

#include <string>

#include "lacuna/comm/group.h"
#include "lacuna/train/options.h"

namespace lacuna::train {

/// Compares the build, the options that shape the run and the identity of the data. Throws
/// Error(kConfig) with the first difference and the ranks that have it.
void check_same_on_all(Group& group, const Options& options, const std::string& data_identity);

}  // namespace lacuna::train
