// The safetensors file format: an 8-byte little-endian header length, a JSON header that gives each
// tensor's dtype, shape and place, then the raw data without gaps. Knows nothing of our tensors.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "lacuna/base/files.h"

namespace lacuna {

/// One named array, row-major and little-endian; `data` is not owned.
struct TensorRecord {
  std::string name;
  std::string dtype;  // "F64", "F32", "F16", "BF16", "I32" or "U8"
  std::vector<int64_t> shape;
  const void* data = nullptr;
};

/// Size of the data in bytes; throws Error(kInternal) for an unknown dtype, a negative dimension or
/// a product that leaves 63 bits.
int64_t byte_size(const TensorRecord& record);

/// Writes the records in the order given, by way of a temporary file, so `path` is never half
/// written. Names are unique printable ASCII; bytes of the metadata that are no UTF-8 become
/// U+FFFD. Throws Error(kIo) when the system refuses and Error(kInternal) for records that break
/// the rules.
void write_safetensors(const std::string& path, const std::vector<TensorRecord>& records,
                       const std::map<std::string, std::string>& metadata,
                       const BetweenPieces& between_pieces = {});

/// An open file whose whole header has been checked. The records' data point into the map and live
/// as long as this object; they may be less aligned than their dtype, so copy with memcpy.
class SafetensorsFile {
 public:
  /// Throws Error(kData), naming the file and the record, for anything but a sound file.
  explicit SafetensorsFile(const std::string& path);
  /// The same of a file that lies in memory and stays there as long as this object; messages call
  /// it `name`.
  SafetensorsFile(std::string name, std::string_view bytes);

  /// In the order of their data in the file.
  const std::vector<TensorRecord>& records() const { return records_; }
  /// Throws Error(kData) with the nearest name when there is no such record.
  const TensorRecord& find(std::string_view name) const;
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

 private:
  void read(std::string_view bytes);

  std::string path_;
  MappedFile file_;
  std::vector<TensorRecord> records_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace lacuna
