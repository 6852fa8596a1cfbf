#pragma once

#include <string>

namespace lacuna::cli {

/// Such as "0.1.0".
std::string version_number();

/// Version and build facts, a few lines.
std::string version_text();

}  // namespace lacuna::cli
