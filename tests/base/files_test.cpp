#include "lacuna/base/files.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>
#include <utility>

#include "../catch.h"
#include "../expect_error.h"
#include "../temp_folder.h"
#include "lacuna/base/text.h"

using namespace lacuna;
using Names = std::vector<std::string>;

namespace {

std::string text_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.data()), file.size()};
}

std::string part_of(const FileReader& reader, size_t begin, size_t count) {
  std::string text(count, '\0');
  reader.read(begin, count, reinterpret_cast<std::byte*>(text.data()));
  return text;
}

/// Writes beyond this many bytes of any file fail with EFBIG in this scope.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    getrlimit(RLIMIT_FSIZE, &before_);
    handler_ = signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    signal(SIGXFSZ, handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit before_{};
  void (*handler_)(int) = nullptr;
};

}  // namespace

TEST_CASE("a mapped file shows the bytes of the file, zeros and high bytes included") {
  const TempFolder folder;
  const std::string bytes("a\0\xff\nb", 5);
  CHECK(text_of(MappedFile(folder.put("f", bytes))) == bytes);
}

TEST_CASE("a mapped file moves without losing or doubling its map") {
  const TempFolder folder;
  MappedFile first(folder.put("first", "one"));
  MappedFile second(folder.put("second", "three"));
  const std::byte* address = second.data();
  first = std::move(second);
  CHECK(first.data() == address);
  CHECK(text_of(first) == "three");
  const MappedFile third(std::move(first));
  CHECK(text_of(third) == "three");
}

TEST_CASE("an empty file maps to size 0 and reads as an empty text") {
  const TempFolder folder;
  const std::string path = folder.put("empty", "");
  CHECK(MappedFile(path).size() == 0);
  CHECK(read_text(path).empty());
}

TEST_CASE("mapping or reading what is no readable file is a data error with the path") {
  const TempFolder folder;
  const std::string missing = folder / "missing";
  expect_error(ErrorKind::kData, missing, [&] { MappedFile{missing}; });
  expect_error(ErrorKind::kData, missing, [&] { FileReader{missing}; });
  expect_error(ErrorKind::kData, "No such file", [&] { read_text(missing); });
  expect_error(ErrorKind::kData, "folder", [&] { MappedFile{folder.path()}; });
  expect_error(ErrorKind::kData, "folder", [&] { read_text(folder.path()); });
  expect_error(ErrorKind::kData, "regular file", [] { MappedFile("/dev/zero"); });
  const std::string pipe = folder / "pipe";
  REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  expect_error(ErrorKind::kData, "regular file", [&] { MappedFile{pipe}; });
  expect_error(ErrorKind::kData, "regular file", [&] { FileReader{pipe}; });
}

TEST_CASE("a file reader reads any part, also of a file that was renamed, removed or appended to") {
  const TempFolder folder;
  const std::string path = folder.put("f", "0123456789");
  const FileReader reader(path);
  CHECK(reader.size() == 10);
  CHECK(part_of(reader, 0, 10) == "0123456789");
  CHECK(part_of(reader, 4, 3) == "456");
  CHECK(part_of(reader, 10, 0).empty());
  expect_error(ErrorKind::kInternal, "FileReader", [&] { part_of(reader, 8, 3); });
  std::ofstream(path, std::ios::app) << "more";
  CHECK(part_of(reader, 8, 2) == "89");
  std::filesystem::remove(path);
  CHECK(part_of(reader, 4, 3) == "456");
}

TEST_CASE("a file that is cut short under its reader is named, with both sizes") {
  const TempFolder folder;
  const std::string path = folder.put("f", std::string(2000, 'x'));
  FileReader reader(path);
  for (const bool held : {true, false}) {
    if (!held) reader.release();
    std::filesystem::resize_file(path, 1999);
    // Also where the bytes that are asked for are there: they may be new ones.
    for (const size_t begin : {1990, 0}) {
      expect_error(ErrorKind::kIo, "had 2,000 bytes when it was opened and has 1,999 now",
                   [&] { part_of(reader, begin, 10); });
      expect_error(ErrorKind::kIo, path, [&] { part_of(reader, begin, 10); });
    }
    std::filesystem::resize_file(path, 2000);
    CHECK_NOTHROW(part_of(reader, 0, 10));
  }
}

TEST_CASE("a file reader without a descriptor notices that its file is gone or another one") {
  const TempFolder folder;
  const std::string path = folder.put("f", "0123456789");
  FileReader reader(path);
  reader.release();
  CHECK(part_of(reader, 4, 3) == "456");
  std::filesystem::rename(path, folder / "old");
  expect_error(ErrorKind::kIo, path + ": cannot read the file: No such",
               [&] { part_of(reader, 4, 3); });
  folder.put("f", "0123456789");
  expect_error(ErrorKind::kIo, path + ": is another file", [&] { part_of(reader, 4, 3); });
  std::filesystem::rename(folder / "old", path);
  CHECK(part_of(reader, 4, 3) == "456");
}

TEST_CASE("read_text returns a file longer than its buffer unchanged") {
  const TempFolder folder;
  std::string bytes;
  for (int i = 0; i < 100'000; ++i) bytes += static_cast<char>(i * 7);
  CHECK(read_text(folder.put("long", bytes)) == bytes);
}

TEST_CASE("write_atomic creates a file, replaces it, and leaves no other file behind") {
  const TempFolder folder;
  const std::string path = folder / "state";
  write_atomic(path, "a long first version");
  CHECK(read_text(path) == "a long first version");
  write_atomic(path, std::string_view("new\0one", 7));
  CHECK(read_text(path) == std::string("new\0one", 7));
  CHECK(folder.names() == Names{"state"});
}

TEST_CASE("a file written atomically has the permissions that the umask allows") {
  const TempFolder folder;
  const mode_t before = umask(0027);
  write_atomic(folder / "state", "x");
  umask(before);
  struct stat facts {};
  REQUIRE(stat((folder / "state").c_str(), &facts) == 0);
  CHECK((facts.st_mode & 0777) == 0640);
}

TEST_CASE("a failed atomic write is an io error and leaves the old file and no temporary") {
  const TempFolder folder;
  const std::string path = folder.put("state", "old");
  std::string text;
  {
    const FileSizeLimit limit(1000);
    try {
      write_atomic(path, std::string(5000, 'x'));
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::kIo) text = error.what();
    }
  }
  CHECK(text.find("File too large") != std::string::npos);
  CHECK(read_text(path) == "old");
  CHECK(folder.names() == Names{"state"});
}

TEST_CASE("an atomic write to an impossible place is an io error and leaves no temporary") {
  const TempFolder folder;
  folder.put("taken/inside", "x");
  expect_error(ErrorKind::kIo, "irectory", [&] { write_atomic(folder / "taken", "y"); });
  expect_error(ErrorKind::kIo, "No such file", [&] { write_atomic(folder / "no/file", "y"); });
  CHECK(folder.names() == Names{"taken"});
}

TEST_CASE("an atomic file that is not committed changes nothing") {
  const TempFolder folder;
  const std::string path = folder.put("state", "old");
  {
    AtomicFile file(path);
    file.write("new", 3);
    CHECK(read_text(path) == "old");
    CHECK(folder.names().size() == 2);
  }
  CHECK(read_text(path) == "old");
  CHECK(folder.names() == Names{"state"});
}

TEST_CASE("two atomic files for one path do not share their temporary") {
  const TempFolder folder;
  const std::string path = folder / "state";
  AtomicFile first(path), second(path);
  first.write("1", 1);
  second.write("22", 2);
  second.commit();
  CHECK(read_text(path) == "22");
  first.commit();
  CHECK(read_text(path) == "1");
  CHECK(folder.names() == Names{"state"});
}

TEST_CASE("a growing file keeps what was there, and its bytes are in the system at once") {
  const TempFolder folder;
  const std::string path = folder.put("f", "one ");
  AppendFile file(path);
  file.append("two ");
  CHECK(read_text(path) == "one two ");
  file.append("");
  AppendFile(path).append(std::string("\0three", 6));
  file.append("!");
  CHECK(read_text(path) == std::string("one two \0three!", 15));
  expect_error(ErrorKind::kIo, "Is a directory", [&] { AppendFile{folder.path()}; });
  const FileSizeLimit limit(20);
  expect_error(ErrorKind::kIo, "cannot write the file", [&] { file.append("longer than that"); });
  CHECK(read_text(path) == std::string("one two \0three!", 15));  // not the five bytes that fitted
}

TEST_CASE("an atomic write follows links and keeps them, and the permissions of the file") {
  const TempFolder folder;
  folder.put("deep/target", "old");
  REQUIRE(chmod((folder / "deep/target").c_str(), 0604) == 0);
  const std::string link = folder / "link", to_link = folder / "to_link", new_one = folder / "new";
  REQUIRE(symlink("deep/target", link.c_str()) == 0);
  REQUIRE(symlink(link.c_str(), to_link.c_str()) == 0);
  REQUIRE(symlink("deep/new", new_one.c_str()) == 0);
  write_atomic(to_link, "new");
  write_atomic(new_one, "newest");
  CHECK(read_text(folder / "deep/target") == "new");
  CHECK(read_text(folder / "deep/new") == "newest");
  for (const std::string& path : {link, to_link, new_one}) {
    CHECK(std::filesystem::is_symlink(path));
  }
  struct stat facts {};
  REQUIRE(stat((folder / "deep/target").c_str(), &facts) == 0);
  CHECK((facts.st_mode & 0777) == 0604);
  CHECK(folder.names() == Names{"deep", "link", "new", "to_link"});
  REQUIRE(symlink("ring", (folder / "ring").c_str()) == 0);
  expect_error(ErrorKind::kIo, "symbolic links", [&] { write_atomic(folder / "ring", "x"); });
}

TEST_CASE("an atomic write into a pipe or a device goes there and leaves it in place") {
  const TempFolder folder;
  const std::string pipe = folder / "pipe";
  REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  std::string read;
  std::thread reader([&] { read = read_text(pipe); });
  write_atomic(pipe, "through");
  reader.join();
  CHECK(read == "through");
  const std::string device = folder / "null";
  if (mknod(device.c_str(), S_IFCHR | 0666, makedev(1, 3)) == 0) write_atomic(device, "x");
  CHECK(std::filesystem::is_fifo(pipe));
  CHECK(folder.names().size() == (std::filesystem::is_character_file(device) ? 2 : 1));
}

TEST_CASE("an atomic write to a descriptor under its name goes on where the descriptor is") {
  const TempFolder folder;
  const int file = open((folder / "f").c_str(), O_RDWR | O_CREAT, 0600);
  REQUIRE(file >= 0);
  REQUIRE(write(file, "one ", 4) == 4);
  write_atomic(str("/dev/fd/", file), "two ");
  write_atomic(str("/proc/self/fd/", file), "three");
  REQUIRE(write(file, "!", 1) == 1);
  close(file);
  CHECK(read_text(folder / "f") == "one two three!");
  CHECK(folder.names() == Names{"f"});
  expect_error(ErrorKind::kIo, "Bad file descriptor", [] { write_atomic("/dev/fd/999", "x"); });
}
