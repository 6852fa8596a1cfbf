#include "lacuna/train/run_folder.h"

#include <filesystem>

#include "lacuna/base/error.h"
#include "lacuna/base/files.h"

namespace lacuna::train {

namespace fs = std::filesystem;

void RunFolder::check_free(bool overwrite) const {
  std::error_code ignored;
  if (fs::exists(path_, ignored) && !fs::is_directory(path_, ignored)) {
    throw Error(ErrorKind::kUsage, path_, "is a file, not the folder of a run",
                "Choose another folder with --train.run");
  }
  if (overwrite) return;
  for (const std::string& file : {config(), metrics(), log(), weights(), average()}) {
    if (!fs::exists(file, ignored)) continue;
    throw Error(ErrorKind::kUsage, file, "the folder holds a run already, or files of its names",
                "Use --overwrite to replace them, or choose another folder with --train.run");
  }
}

void RunFolder::create(const Options& resolved) const {
  std::error_code failure;
  fs::create_directories(path_, failure);
  if (failure) throw Error(ErrorKind::kIo, path_, "cannot make the folder: " + failure.message());
  for (const std::string& file : {metrics(), log(), weights(), average()}) {
    fs::remove(file, failure);
    if (failure) throw Error(ErrorKind::kIo, file, "cannot remove: " + failure.message());
  }
  write_atomic(config(), to_toml(resolved));
}

}  // namespace lacuna::train
