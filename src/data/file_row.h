// Files one after the other, read as if they were one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "lacuna/base/files.h"

namespace lacuna {

/// Once all files are appended, several threads may read at once.
class FileRow {
 public:
  /// Takes the file over, which is not empty.
  void append(FileReader file);

  /// Bytes of all files.
  int64_t size() const { return size_; }
  int64_t files() const { return static_cast<int64_t>(pieces_.size()); }
  /// The first byte of a file; of files(): size().
  int64_t begin(int64_t file) const;
  /// Copies bytes [begin, begin + count), which are there. Throws as FileReader does.
  void read(int64_t begin, int64_t count, std::byte* out) const;

 private:
  struct Piece {
    int64_t begin;  // where the file starts in the row
    FileReader file;
    std::vector<std::byte> copy;  // of the whole file, or empty

    size_t size() const { return file.size(); }
    void read(size_t from, size_t count, std::byte* out) const;
  };

  std::vector<Piece> pieces_;
  // A data set has some rows, of parts with paths of their own.
  size_t most_held_ = descriptors_to_hold() / 8;
  size_t held_ = 0;  // descriptors; files beyond the most are opened for each read
  int64_t size_ = 0;
};

}  // namespace lacuna
