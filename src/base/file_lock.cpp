#include "lacuna/base/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "lacuna/base/error.h"
#include "lacuna/base/log.h"
#include "lacuna/base/text.h"

namespace lacuna {

bool lock_now(int descriptor, LockMode mode, const std::string& path) {
  const int kind = mode == LockMode::kShared ? LOCK_SH : LOCK_EX;
  if (flock(descriptor, kind | LOCK_NB) == 0) return true;
  if (errno == EWOULDBLOCK) return false;
  log_warning(str(path, ": cannot lock the file: ", std::generic_category().message(errno),
                  "; see to it that no other process works in this folder"));
  return true;
}

FileLock::FileLock(std::string path, LockMode mode) : path_(std::move(path)) {
  std::error_code ignored;
  const int flags =
      std::filesystem::is_directory(path_, ignored) ? O_RDONLY | O_DIRECTORY : O_RDWR | O_CREAT;
  do {
    if (descriptor_ >= 0) close(descriptor_);
    descriptor_ = open(path_.c_str(), flags | O_CLOEXEC, 0666);
    if (descriptor_ < 0) {
      throw Error(ErrorKind::kIo, path_,
                  "cannot open it: " + std::generic_category().message(errno));
    }
    try {
      change(mode);
    } catch (...) {
      close(descriptor_);
      throw;
    }
  } while (!is_in_place());
}

FileLock::~FileLock() {
  close(descriptor_);
}

void FileLock::change(LockMode mode) {
  if (lock_now(descriptor_, mode, path_)) return;
  throw Error(ErrorKind::kUsage, path_, "another lacuna is at work on it",
              "Wait for it or stop it");
}

// Who held the lock until now may have removed what was opened.
bool FileLock::is_in_place() const {
  struct stat held {
  }, there{};
  return fstat(descriptor_, &held) == 0 && stat(path_.c_str(), &there) == 0 &&
         held.st_dev == there.st_dev && held.st_ino == there.st_ino;
}

}  // namespace lacuna
