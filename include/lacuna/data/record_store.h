// Records of bytes, one after the other: texts, pictures or sounds as symbols, in files or in
// memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "lacuna/data/source_files.h"

namespace lacuna {

/// Constant after construction: every member function may be called by several threads at once.
class RecordStore {
 public:
  virtual ~RecordStore() = default;

  /// Bytes of all records.
  virtual int64_t size() const = 0;
  /// Copies bytes [begin, begin + count), which are there. Throws Error(kData).
  virtual void read(int64_t begin, int64_t count, std::byte* out) const = 0;

  virtual int64_t records() const = 0;
  /// The first byte of a record; of records(): size().
  virtual int64_t record_begin(int64_t record) const = 0;
  /// The file it comes from, and "#" and its number there where that has several.
  virtual std::string record_name(int64_t record) const = 0;
  /// How many files it comes from.
  virtual int64_t files() const = 0;
};

/// Files read in place, each a record; empty ones are left out. Throws Error(kData) for a file that
/// cannot be read or is compressed.
std::unique_ptr<RecordStore> store_of_files(const std::vector<std::string>& files);

}  // namespace lacuna
