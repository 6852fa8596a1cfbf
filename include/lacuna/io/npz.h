// NumPy's archives of arrays (.npz): zip files whose members are .npy, stored or deflated.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lacuna/base/files.h"
#include "lacuna/io/npy.h"

namespace lacuna {

class ZipArchive;
class ZipStream;

/// The bytes of one member in their order, in constant memory. It keeps the archive open.
class NpzMember {
 public:
  explicit NpzMember(std::unique_ptr<ZipStream> stream, NpyHeader header);
  ~NpzMember();
  NpzMember(NpzMember&& other) noexcept;
  NpzMember& operator=(NpzMember&& other) noexcept;

  const NpyHeader& header() const { return header_; }
  int64_t left() const { return left_; }
  /// Copies the next `count` bytes of the array, of which so many must be left. Throws
  /// Error(kData), naming file and member, where the archive is damaged; whether the member's
  /// checksum is right is known, and said, only with its last byte.
  void read(int64_t count, std::byte* out);

 private:
  std::unique_ptr<ZipStream> stream_;
  NpyHeader header_;
  int64_t left_;
};

/// An archive whose headers, of the zip file and of all members, have been checked. Not for use,
/// together with its members, by several threads at once.
class NpzFile {
 public:
  struct Entry {
    std::string name;  // without ".npy", as NumPy calls it
    NpyHeader header;
  };

  /// Throws Error(kData), naming file and member, for what is no sound archive of arrays.
  explicit NpzFile(const std::string& path);
  /// The same of an archive that lies in memory and stays there as long as this object and its
  /// members; messages call it `name`.
  NpzFile(std::string name, std::string_view bytes);

  /// In the order of the archive.
  const std::vector<Entry>& entries() const { return entries_; }
  /// A member of bytes in C order from its beginning. Throws Error(kData) when there is none of
  /// this name, with the nearest, and with how to convert it for an array of another kind.
  NpzMember open(std::string_view name) const;
  /// All values of a member of integers, such as labels, in memory. Throws Error(kData) as open()
  /// and NpzMember::read() do, and for a value that leaves 63 bits.
  std::vector<int64_t> integers(std::string_view name) const;

 private:
  void list();
  size_t find(std::string_view name) const;
  std::string place(size_t index) const;
  NpzMember member(size_t index) const;

  std::string path_;
  std::shared_ptr<ZipArchive> archive_;
  std::vector<Entry> entries_;
};

/// Writes an .npz with one array of bytes in C order, "arr_0", whose shape is known before its
/// data: stored, in constant memory and of any size. By way of AtomicFile, so that the file is seen
/// whole or not at all, and devices and pipes are written to straight away.
class NpzWriter {
 public:
  /// Throws Error(kIo).
  NpzWriter(const std::string& path, const std::vector<int64_t>& shape);

  /// Appends to the data, of which no more may come than the shape has; throws Error(kIo).
  void write(std::span<const uint8_t> bytes);
  /// Ends the archive, once all data has come, and puts it in place; throws Error(kIo).
  void commit();

 private:
  void put(std::string_view bytes);
  void put_data(std::string_view bytes);

  AtomicFile file_;
  uint64_t member_bytes_, left_;  // of the .npy
  uint32_t crc_ = 0;
  uint64_t written_ = 0;  // of the archive
};

}  // namespace lacuna
