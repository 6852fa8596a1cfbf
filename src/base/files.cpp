#include "lacuna/base/files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "lacuna/base/error.h"
#include "lacuna/base/file_lock.h"
#include "lacuna/base/text.h"

namespace lacuna {
namespace {

std::string system_reason() {
  return std::generic_category().message(errno);
}

Error unreadable(const std::string& path, ErrorKind kind = ErrorKind::kData) {
  const bool missing = errno == ENOENT || errno == ENOTDIR;
  return Error(kind, path, "cannot read the file: " + system_reason(),
               missing ? "Check the path; relative paths start at the current folder" : "");
}

Error unwritable(const std::string& path, const char* action) {
  const bool full = errno == ENOSPC || errno == EDQUOT;
  return Error(ErrorKind::kIo, path, str("cannot ", action, ": ", system_reason()),
               full ? "Free some space on this disk" : "");
}

}  // namespace

/// A file descriptor opened for reading and its facts; closed at the end of the scope.
class OpenFile {
 public:
  explicit OpenFile(const std::string& path, int flags = 0, ErrorKind kind = ErrorKind::kData)
      : descriptor_(open(path.c_str(), O_RDONLY | O_CLOEXEC | flags)) {
    if (descriptor_ < 0) throw unreadable(path, kind);
    if (fstat(descriptor_, &facts_) != 0) {
      const Error failure = unreadable(path, kind);
      close(descriptor_);
      throw failure;
    }
    if (S_ISDIR(facts_.st_mode)) {
      close(descriptor_);
      throw Error(kind, path, "expected a file, found a folder");
    }
  }
  ~OpenFile() { close(descriptor_); }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  int descriptor() const { return descriptor_; }
  const struct stat& facts() const { return facts_; }

 private:
  int descriptor_;
  struct stat facts_ {};
};

namespace {

// Without blocking, so that opening a pipe reaches the complaint below instead of waiting for a
// writer.
std::shared_ptr<const OpenFile> open_regular(const std::string& path) {
  auto file = std::make_shared<const OpenFile>(path, O_NONBLOCK);
  if (!S_ISREG(file->facts().st_mode)) {
    throw Error(ErrorKind::kData, path, "expected a regular file, found a device or a pipe");
  }
  return file;
}

void write_all(int descriptor, const std::string& path, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(descriptor, bytes.data(), bytes.size());
    if (count >= 0) {
      bytes.remove_prefix(static_cast<size_t>(count));
    } else if (errno != EINTR) {
      throw unwritable(path, "write the file");
    }
  }
}

std::string folder_of(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

// The descriptor of this process that a path names, as /dev/fd/3 does; -1 for any other path.
int descriptor_named(const std::filesystem::path& path) {
  std::error_code failure;
  const auto own = std::filesystem::canonical("/proc/self/fd", failure);
  if (failure || std::filesystem::canonical(path.parent_path(), failure) != own) return -1;
  try {
    return static_cast<int>(parse_count(path.filename().string()));
  } catch (const std::invalid_argument&) {
    return -1;
  }
}

// Where a path leads, also to what does not exist yet. A ring of links ends at one of them.
std::string end_of_links(const std::string& path) {
  std::filesystem::path end = path;
  std::error_code failure;
  for (int links = 0; links < 40 && std::filesystem::is_symlink(end, failure); ++links) {
    if (descriptor_named(end) >= 0) break;  // what is behind it may have no name
    const std::filesystem::path next = std::filesystem::read_symlink(end, failure);
    if (failure) break;
    end = end.parent_path() / next;  // an absolute one stands for itself
  }
  return end.string();
}

// Opens what takes bytes but cannot be replaced, a device, a pipe or a descriptor of this process;
// -1 for any other path.
int open_stream(const std::string& path, bool is_device) {
  const int named = descriptor_named(path);
  if (named < 0 && !is_device) return -1;
  std::fflush(stdout);  // which it may be
  const int stream = named >= 0 ? fcntl(named, F_DUPFD_CLOEXEC, 0)
                                : open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY);
  if (stream < 0) throw unwritable(path, "open the file");
  return stream;
}

}  // namespace

void in_pieces(const void* bytes, size_t size, const BetweenPieces& between_pieces,
               const std::function<void(const std::byte*, size_t)>& work) {
  const auto* begin = static_cast<const std::byte*>(bytes);
  for (size_t done = 0; done < size; done += kPiece) {
    work(begin + done, std::min(kPiece, size - done));
    if (between_pieces) between_pieces();
  }
}

MappedFile::MappedFile(const std::string& path) {
  const auto file = open_regular(path);
  const auto size = static_cast<size_t>(file->facts().st_size);
  if (size == 0) return;
  void* address = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file->descriptor(), 0);
  if (address == MAP_FAILED) throw unreadable(path);
  data_ = static_cast<const std::byte*>(address);
  size_ = size;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) munmap(const_cast<std::byte*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  MappedFile taken(std::move(other));
  std::swap(data_, taken.data_);
  std::swap(size_, taken.size_);
  return *this;
}

FileReader::FileReader(std::string path)
    : path_(std::move(path)),
      held_(open_regular(path_)),
      size_(static_cast<size_t>(held_->facts().st_size)),
      device_(held_->facts().st_dev),
      inode_(held_->facts().st_ino) {}

void FileReader::read(size_t begin, size_t count, std::byte* out) const {
  require(begin <= size_ && count <= size_ - begin, "FileReader", "no such bytes at the start");
  const char* restore = "Put back the file as it was";
  const auto file =
      held_ ? held_ : std::make_shared<const OpenFile>(path_, O_NONBLOCK, ErrorKind::kIo);
  struct stat now {};
  if (fstat(file->descriptor(), &now) != 0) throw unreadable(path_, ErrorKind::kIo);
  if (now.st_dev != device_ || now.st_ino != inode_) {
    throw Error(ErrorKind::kIo, path_, "is another file than before: it was replaced", restore);
  }
  size_t done = 0;
  while (done < count && static_cast<size_t>(now.st_size) >= size_) {
    const ssize_t got =
        pread(file->descriptor(), out + done, count - done, static_cast<off_t>(begin + done));
    if (got > 0) {
      done += static_cast<size_t>(got);
    } else if (got == 0) {
      now.st_size = static_cast<off_t>(begin + done);  // it ends here by now
    } else if (errno != EINTR) {
      throw unreadable(path_, ErrorKind::kIo);
    }
  }
  if (done == count) return;
  throw Error(ErrorKind::kIo, path_,
              str("was cut short: it had ", grouped(static_cast<int64_t>(size_)),
                  " bytes when it was opened and has ", grouped(now.st_size), " now"),
              restore);
}

size_t descriptors_to_hold() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  return static_cast<size_t>(limit.rlim_cur / 4);
}

bool exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

bool is_taken(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(std::filesystem::symlink_status(path, ignored));
}

std::string read_text(const std::string& path) {
  const OpenFile file(path);
  std::string text;
  char buffer[1 << 14];
  for (;;) {
    const ssize_t count = read(file.descriptor(), buffer, sizeof buffer);
    if (count == 0) return text;
    if (count > 0) {
      text.append(buffer, static_cast<size_t>(count));
    } else if (errno != EINTR) {
      throw unreadable(path);
    }
  }
}

AtomicFile::AtomicFile(std::string path) : path_(std::move(path)) {
  path_ = end_of_links(path_);
  struct stat there {};
  const bool exists = stat(path_.c_str(), &there) == 0;
  if (!exists && errno == ELOOP) throw unwritable(path_, "follow the links");
  descriptor_ = open_stream(path_, exists && !S_ISREG(there.st_mode) && !S_ISDIR(there.st_mode));
  if (descriptor_ >= 0) return;
  // Not mkstemp: it would leave the file readable by its owner only, whatever the umask says.
  const mode_t mode = exists ? 0600 : 0666;
  for (int attempt = 0;; ++attempt) {
    temporary_ = str(path_, ".tmp-", getpid(), '-', attempt);
    descriptor_ = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (descriptor_ >= 0) break;
    if (errno != EEXIST) throw unwritable(path_, "create a file in this folder");
  }
  // Where this is refused, the owner alone may read it: never more than before.
  if (exists) fchmod(descriptor_, there.st_mode & 0777);
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) close(descriptor_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

void AtomicFile::write(const void* bytes, size_t size) {
  write_all(descriptor_, path_, {static_cast<const char*>(bytes), size});
}

void AtomicFile::commit() {
  require(descriptor_ >= 0, "AtomicFile", "a file is committed once");
  // Pipes and terminals cannot be flushed.
  if (fsync(descriptor_) != 0 && errno != EINVAL && errno != EROFS && errno != ENOTSUP) {
    throw unwritable(path_, "flush the file");
  }
  if (close(std::exchange(descriptor_, -1)) != 0) throw unwritable(path_, "close the file");
  if (temporary_.empty()) return;
  if (rename(temporary_.c_str(), path_.c_str()) != 0) throw unwritable(path_, "replace the file");
  temporary_.clear();
  sync_folder(folder_of(path_));
}

AppendFile::AppendFile(std::string path)
    : path_(std::move(path)),
      descriptor_(open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666)) {
  if (descriptor_ < 0) throw unwritable(path_, "open the file");
}

AppendFile::~AppendFile() {
  close(descriptor_);
}

void AppendFile::append(std::string_view bytes) {
  struct stat before {};
  const bool regular = fstat(descriptor_, &before) == 0 && S_ISREG(before.st_mode);
  try {
    write_all(descriptor_, path_, bytes);
  } catch (const Error&) {
    if (regular && ftruncate(descriptor_, before.st_size) != 0) throw unwritable(path_, "cut");
    throw;
  }
}

void AppendFile::sync() {
  if (fsync(descriptor_) != 0 && errno != EINVAL) throw unwritable(path_, "flush the file");
}

void sync_folder(const std::string& path) {
  const int folder = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) throw unwritable(path, "open the folder");
  // Some network file systems cannot flush a folder and say so with EINVAL.
  if (fsync(folder) != 0 && errno != EINVAL) {
    const Error failure = unwritable(path, "flush the folder");
    close(folder);
    throw failure;
  }
  close(folder);
}

FolderLock::FolderLock(const std::string& folder) {
  const std::string path = folder + "/lock";
  descriptor_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (descriptor_ < 0) throw unwritable(path, "open the file");
  if (lock_now(descriptor_, LockMode::kExclusive, path)) return;
  close(descriptor_);
  throw Error(ErrorKind::kUsage, folder, "another lacuna is at work in this folder",
              "Wait for it or stop it");
}

FolderLock::~FolderLock() {
  close(descriptor_);
}

void write_atomic(const std::string& path, std::string_view bytes) {
  AtomicFile file(path);
  file.write(bytes.data(), bytes.size());
  file.commit();
}

}  // namespace lacuna
