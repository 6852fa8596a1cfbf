// The sizes of a header that is read fit one another, and a header of the same shape reads back.
#include "lacuna/io/npy.h"

#include <cstring>

#include "targets.h"

namespace lacuna::fuzz {
namespace {

NpyHeader header_of(std::string_view bytes) {
  return read_npy_header("fuzzed", [bytes](std::byte* out, size_t count) mutable {
    count = std::min(count, bytes.size());
    std::memcpy(out, bytes.data(), count);
    bytes.remove_prefix(count);
    return count;
  });
}

}  // namespace

void npy(std::string_view bytes) {
  answer([&] {
    const NpyHeader header = header_of(bytes);
    promise(header.data_begin <= bytes.size() && header.elements >= 0);
    promise(header.data_bytes == header.elements * header.item_bytes);
    answer([&] {
      check_npy_integers("fuzzed", header);
      promise(header.item_bytes >= 1 && header.item_bytes <= 8);
    });
    check_npy_bytes("fuzzed", header);
    check_npy_size("fuzzed", header, bytes.size());
    promise(header.data_begin + static_cast<size_t>(header.elements) == bytes.size());
    if (header.shape.size() < 1000) {
      const NpyHeader again = header_of(npy_header(header.shape));
      promise(again.shape == header.shape && again.data_begin % 64 == 0);
    }
  });
}

}  // namespace lacuna::fuzz
