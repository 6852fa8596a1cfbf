// Where a command writes: what can be said of the place before any work is done.
#pragma once

#include <string>

namespace lacuna::cli {

/// Throws Error(kUsage) when the folder of the path is not there, Error(kIo) when nothing can be
/// written into it.
void check_parent(const std::string& path);

/// Also throws Error(kUsage) for a folder. Links are followed; what is there already and is neither
/// a file nor a folder, such as a pipe, is taken as it is.
void check_output_file(const std::string& path);

}  // namespace lacuna::cli
