#include "lacuna/train/run_folder.h"

#include <filesystem>

#include "lacuna/base/error.h"
#include "lacuna/base/files.h"
#include "lacuna/io/json_line.h"

namespace lacuna::train {

namespace fs = std::filesystem;

void RunFolder::check_free(bool overwrite) const {
  std::error_code ignored;
  if (fs::exists(path_, ignored) && !fs::is_directory(path_, ignored)) {
    throw Error(ErrorKind::kUsage, path_, "is a file, not the folder of a run",
                "Choose another folder with --train.run");
  }
  if (overwrite) return;
  for (const std::string& file :
       {config(), metrics(), log(), weights(), average(), checkpoints()}) {
    if (!fs::exists(file, ignored)) continue;
    throw Error(ErrorKind::kUsage, file, "the folder holds a run already, or files of its names",
                "Use --resume auto to go on with it, --overwrite to replace it, or choose another "
                "folder with --train.run");
  }
}

bool RunFolder::has_run() const {
  std::error_code ignored;
  return fs::exists(config(), ignored);
}

void RunFolder::make() const {
  std::error_code failure;
  fs::create_directories(path_, failure);
  if (failure) throw Error(ErrorKind::kIo, path_, "cannot make the folder: " + failure.message());
}

void RunFolder::begin(const Options& resolved) const {
  for (const std::string& file : {metrics(), log(), weights(), average(), checkpoints()}) {
    remove(file);
  }
  write_atomic(config(), to_toml(resolved));
}

void RunFolder::continue_after(int64_t step, const Options& resolved) const {
  for (const std::string& file : {weights(), average()}) remove(file);
  cut_jsonl(metrics(), "step", step);
  write_atomic(config(), to_toml(resolved));
}

void RunFolder::remove(const std::string& file) const {
  std::error_code failure;
  fs::remove_all(file, failure);
  if (failure) throw Error(ErrorKind::kIo, file, "cannot remove: " + failure.message());
}

}  // namespace lacuna::train
