// Keeping a file or a folder to those processes that may be at work on it together.
#pragma once

#include <string>

namespace lacuna {

enum class LockMode { kShared, kExclusive };

/// Locks an open file without waiting; false when another process is in the way. Where the file
/// system has no locks, it warns and returns true. `path` names the file for the warning.
bool lock_now(int descriptor, LockMode mode, const std::string& path);

/// A lock on the file or the folder at `path` itself; the system releases it when the process ends,
/// however it ends. Only who holds it kExclusive may remove or replace what is there.
class FileLock {
 public:
  /// Creates an empty file where nothing is. Throws Error(kUsage) when another process is in the
  /// way, Error(kIo) when the place cannot be opened.
  FileLock(std::string path, LockMode mode);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

  /// Takes the other mode; throws Error(kUsage) when another process is in the way. Between the two
  /// another one may have held it.
  void change(LockMode mode);

 private:
  bool is_in_place() const;

  std::string path_;
  int descriptor_ = -1;
};

}  // namespace lacuna
