#pragma once

#include <string>

namespace lacuna::cli {

/// Version and build facts, a few lines.
std::string version_text();

}  // namespace lacuna::cli
