// Whole files: mapped for reading, and written so that a reader sees the old file or the new one,
// never a part of it. And files that are read in parts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace lacuna {

/// Called between the pieces of a long read or write, each of kPiece bytes at most; may be empty.
using BetweenPieces = std::function<void()>;
inline constexpr size_t kPiece = size_t{1} << 20;

/// Calls work(begin, bytes) for one piece after the other, and `between_pieces` after each.
void in_pieces(const void* bytes, size_t size, const BetweenPieces& between_pieces,
               const std::function<void(const std::byte*, size_t)>& work);

/// Read-only view of a whole regular file, owned by this object; an empty file has size 0. The file
/// must not be shortened by others meanwhile (the system answers such a read with SIGBUS).
class MappedFile {
 public:
  MappedFile() = default;
  /// Throws Error(kData) when `path` is missing, unreadable or no regular file.
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  /// Page-aligned; null when size() is 0. The address stays the same when the object is moved.
  const std::byte* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

class OpenFile;

/// A regular file of which any part can be read at any time, by several threads at once. Its size
/// is what it was at first; what others append to it meanwhile does not count.
class FileReader {
 public:
  /// Holds a descriptor, so that others may rename or remove the file. Throws Error(kData) when
  /// `path` is missing, unreadable or no regular file.
  explicit FileReader(std::string path);
  /// Gives the descriptor back: from now on the file is opened for each read.
  void release() { held_.reset(); }

  size_t size() const { return size_; }
  /// Copies bytes [begin, begin + count) to out, which must be within size(). Throws Error(kIo),
  /// naming the file, when they cannot be read or the file is shorter or another one by now.
  void read(size_t begin, size_t count, std::byte* out) const;

 private:
  std::string path_;
  std::shared_ptr<const OpenFile> held_;  // null once released
  size_t size_;
  uint64_t device_, inode_;
};

/// How many descriptors one part of the program may hold: a quarter of what the system allows.
size_t descriptors_to_hold();

/// A file written piece by piece under a temporary name in its final folder. Only commit() puts it
/// in place, with the permissions of an older file; without it the destructor removes the temporary
/// and an older file stays as it was. Links are followed: what they lead to is replaced. What
/// cannot be replaced is written to straight away: a device, a pipe, a descriptor such as
/// /dev/stdout.
class AtomicFile {
 public:
  /// Throws Error(kIo) when the temporary cannot be created, or the device not be opened.
  explicit AtomicFile(std::string path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  /// Appends `size` bytes; throws Error(kIo).
  void write(const void* bytes, size_t size);
  /// Flushes the file to the disk, renames it to `path` and flushes the folder; throws Error(kIo).
  void commit();

 private:
  std::string path_;       // where links lead
  std::string temporary_;  // empty once renamed, and for what is written to straight away
  int descriptor_ = -1;
};

/// A file that grows at its end: what append() was given has been handed to the system when it
/// returns, and when it throws, nothing of it stays in the file where the system can cut it off
/// again (a full disk leaves no half line). Not for use by several threads at once.
class AppendFile {
 public:
  /// Creates the file or continues it; throws Error(kIo).
  explicit AppendFile(std::string path);
  ~AppendFile();
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;

  /// Throws Error(kIo).
  void append(std::string_view bytes);
  /// Flushes what has been appended to the disk; throws Error(kIo).
  void sync();

 private:
  std::string path_;
  int descriptor_;
};

/// Flushes the names in a folder to the disk; throws Error(kIo).
void sync_folder(const std::string& path);

/// Keeps a folder to one process, by a lock on the file `lock` in it; the system releases it when
/// the process ends, however it ends. Where the file system has no locks, it warns and does not.
class FolderLock {
 public:
  /// Throws Error(kUsage) when another process holds the lock, Error(kIo) when the file cannot be
  /// made.
  explicit FolderLock(const std::string& folder);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int descriptor_;
};

/// Whether a file or folder is there, or a link to one; no where the system does not tell.
bool exists(const std::string& path);

/// Whether the name is taken, if only by a link that leads nowhere.
bool is_taken(const std::string& path);

/// The whole content of a file; also of pipes and devices that end. Throws Error(kData).
std::string read_text(const std::string& path);

/// Replaces or creates the file at `path` in one step; throws Error(kIo) with the system's reason.
void write_atomic(const std::string& path, std::string_view bytes);

}  // namespace lacuna
