// Records of bytes, one after the other: texts, pictures or sounds as symbols, in files or in
// memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "lacuna/base/files.h"
#include "lacuna/data/source_files.h"

namespace lacuna {

struct StoredFile {
  std::string name;
  int64_t first_record;
};

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
  /// What the records come from, in their order; each file has given at least one.
  virtual const std::vector<StoredFile>& files() const = 0;
  /// The XXH3 of all bytes. Throws Error(kData) and what `between_pieces` throws.
  virtual std::string checksum(const BetweenPieces& between_pieces) const;
  /// What a person should know of how it was opened, in a few words; empty: nothing.
  virtual std::string note() const { return ""; }

  /// The file a record comes from, and "#" and its number there, from 0, where that has several.
  std::string record_name(int64_t record) const;
};

/// Files read in place, each a record; empty ones are left out. Throws Error(kData) for a file that
/// cannot be read or is compressed.
std::unique_ptr<RecordStore> store_of_files(const std::vector<std::string>& files);

}  // namespace lacuna
