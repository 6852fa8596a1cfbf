#include "lacuna/io/safetensors.h"

#include <algorithm>
#include <bit>
#include <set>

#include "lacuna/base/error.h"
#include "lacuna/base/text.h"
#include "lacuna/io/json_line.h"
#include "safetensors_types.h"

namespace lacuna {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is little-endian");

bool is_printable_ascii(const std::string& name) {
  return !name.empty() &&
         std::all_of(name.begin(), name.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

void check_names(const std::vector<TensorRecord>& records) {
  std::set<std::string_view> names;
  for (const TensorRecord& record : records) {
    if (!is_printable_ascii(record.name) || record.name == kMetadataKey ||
        !names.insert(record.name).second) {
      throw Error(ErrorKind::kInternal, "write_safetensors",
                  "the record name '" + record.name + "' is taken or not printable ASCII");
    }
  }
}

std::string header_text(const std::vector<TensorRecord>& records,
                        const std::map<std::string, std::string>& metadata) {
  JsonLine header;
  if (!metadata.empty()) {
    JsonLine strings;
    for (const auto& [key, value] : metadata) strings.add(key, value);
    header.add_json(kMetadataKey, strings.text());
  }
  int64_t begin = 0;
  for (const TensorRecord& record : records) {
    int64_t end = 0;
    require(!__builtin_add_overflow(begin, byte_size(record), &end), "write_safetensors",
            "the records together leave 63 bits");
    std::vector<std::string> extents;
    for (const int64_t extent : record.shape) extents.push_back(std::to_string(extent));
    header.add_json(record.name, JsonLine()
                                     .add("dtype", record.dtype)
                                     .add_json("shape", '[' + join(extents, ",") + ']')
                                     .add_json("data_offsets", str('[', begin, ',', end, ']'))
                                     .text());
    begin = end;
  }
  std::string text = header.text();
  text.resize((text.size() + 7) / 8 * 8, ' ');  // keeps the data aligned to 8 bytes in the file
  return text;
}

}  // namespace

int64_t byte_size(const TensorRecord& record) {
  const auto item_bytes = item_size(record.dtype);
  const auto bytes = item_bytes ? array_size(record.shape, *item_bytes) : std::nullopt;
  if (!bytes) {
    throw Error(ErrorKind::kInternal, "byte_size",
                "record '" + record.name + "' has dtype '" + record.dtype +
                    "' and a shape that make no size");
  }
  return *bytes;
}

void write_safetensors(const std::string& path, const std::vector<TensorRecord>& records,
                       const std::map<std::string, std::string>& metadata,
                       const BetweenPieces& between_pieces) {
  check_names(records);
  const std::string header = header_text(records, metadata);
  const uint64_t length = header.size();
  require(length <= kLargestHeader, "write_safetensors", "the header exceeds 100 MB");
  AtomicFile file(path);
  file.write(&length, sizeof length);
  file.write(header.data(), header.size());
  for (const TensorRecord& record : records) {
    in_pieces(record.data, static_cast<size_t>(byte_size(record)), between_pieces,
              [&file](const std::byte* piece, size_t bytes) { file.write(piece, bytes); });
  }
  file.commit();
}

}  // namespace lacuna
