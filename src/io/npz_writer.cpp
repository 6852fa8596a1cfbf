// The writing half of .npz: a zip file of one stored member, by hand, because libzip takes data
// only from a source that it can ask for it when all is done, and goes back within the file that it
// writes. The numbers of sections are those of the published format (APPNOTE.TXT).
#include <zlib.h>

#include "lacuna/base/error.h"
#include "lacuna/io/npz.h"

namespace lacuna {
namespace {

constexpr std::string_view kName = "arr_0.npy";
constexpr uint16_t kVersion = 45;  // the first with 64-bit sizes
constexpr uint16_t kChecksumBehindData = 1 << 3;
constexpr uint16_t kStored = 0;
constexpr uint16_t kDay = 1 << 5 | 1;       // 1 January 1980: the same bytes at any time
constexpr uint32_t kIn64Bits = 0xffffffff;  // the number stands in the part for 64 bits

/// Little-endian numbers one after the other.
class Record {
 public:
  Record& u16(uint16_t value) { return put(value, 2); }
  Record& u32(uint32_t value) { return put(value, 4); }
  Record& u64(uint64_t value) { return put(value, 8); }
  Record& text(std::string_view text) {
    bytes_ += text;
    return *this;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  Record& put(uint64_t value, int size) {
    for (int i = 0; i < size; ++i) bytes_ += static_cast<char>(value >> (8 * i) & 0xff);
    return *this;
  }
  std::string bytes_;
};

/// What a member's header and its entry in the list have in common, from the version to the length
/// of the name.
void put_facts(Record& record, uint32_t crc) {
  record.u16(kVersion).u16(kChecksumBehindData).u16(kStored).u16(0).u16(kDay);
  record.u32(crc).u32(kIn64Bits).u32(kIn64Bits);
  record.u16(static_cast<uint16_t>(kName.size()));
}

/// Sizes in 64 bits (4.5.3), packed and unpacked.
void put_sizes(Record& record, uint64_t size) {
  record.u16(1).u16(16).u64(size).u64(size);
}

constexpr uint16_t kSizesBytes = 20;

}  // namespace

NpzWriter::NpzWriter(const std::string& path, const std::vector<int64_t>& shape) : file_(path) {
  const std::string header = npy_header(shape);
  member_bytes_ = header.size();
  uint64_t data = 1;
  for (const int64_t extent : shape) data *= static_cast<uint64_t>(extent);
  member_bytes_ += data;
  left_ = member_bytes_;
  Record local;  // 4.3.7
  local.u32(0x04034b50);
  put_facts(local, 0);
  local.u16(kSizesBytes).text(kName);
  put_sizes(local, member_bytes_);
  put(local.bytes());
  put_data(header);
}

void NpzWriter::put(std::string_view bytes) {
  file_.write(bytes.data(), bytes.size());
  written_ += bytes.size();
}

void NpzWriter::put_data(std::string_view bytes) {
  require(bytes.size() <= left_, "NpzWriter", "more data than the shape has");
  crc_ = static_cast<uint32_t>(
      crc32_z(crc_, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
  put(bytes);
  left_ -= bytes.size();
}

void NpzWriter::write(std::span<const uint8_t> bytes) {
  put_data({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

void NpzWriter::commit() {
  require(left_ == 0, "NpzWriter", "less data than the shape has");
  put(Record().u32(0x08074b50).u32(crc_).u64(member_bytes_).u64(member_bytes_).bytes());  // 4.3.9
  const uint64_t list_begin = written_;
  Record list;  // 4.3.12
  list.u32(0x02014b50).u16(kVersion);
  put_facts(list, crc_);
  list.u16(kSizesBytes).u16(0).u16(0).u16(0).u32(0).u32(0).text(kName);
  put_sizes(list, member_bytes_);
  put(list.bytes());
  const uint64_t list_end = written_;
  Record end;  // 4.3.14, 4.3.15 and 4.3.16
  end.u32(0x06064b50).u64(44).u16(kVersion).u16(kVersion).u32(0).u32(0).u64(1).u64(1);
  end.u64(list_end - list_begin).u64(list_begin);
  end.u32(0x07064b50).u32(0).u64(list_end).u32(1);
  end.u32(0x06054b50).u16(0).u16(0).u16(1).u16(1);
  end.u32(static_cast<uint32_t>(list_end - list_begin)).u32(kIn64Bits).u16(0);
  put(end.bytes());
  file_.commit();
}

}  // namespace lacuna
