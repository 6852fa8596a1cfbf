#include "output_place.h"

#include <unistd.h>

#include <filesystem>

#include "lacuna/base/error.h"
#include "lacuna/base/text.h"

namespace lacuna::cli {

namespace fs = std::filesystem;

void check_parent(const std::string& path) {
  const fs::path parent = fs::path(path).parent_path();
  const std::string folder = parent.empty() ? "." : parent.string();
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored)) {
    throw Error(ErrorKind::kUsage, path, str("there is no folder '", folder, "'"), "Make it first");
  }
  if (access(folder.c_str(), W_OK) != 0) {
    throw Error(ErrorKind::kIo, path, str("nothing can be written into the folder '", folder, "'"));
  }
}

void check_output_file(const std::string& path) {
  std::error_code ignored;
  const fs::file_status there = fs::status(path, ignored);
  if (fs::is_directory(there)) {
    throw Error(ErrorKind::kUsage, path, "is a folder, not a file", "Name a file");
  }
  // What /dev/stdout leads to is open already, whatever folder it is in.
  if (path.starts_with("/dev/") || (fs::exists(there) && !fs::is_regular_file(there))) return;
  const bool link = fs::is_symlink(path, ignored);
  check_parent(link ? fs::weakly_canonical(path, ignored).string() : path);
}

}  // namespace lacuna::cli
