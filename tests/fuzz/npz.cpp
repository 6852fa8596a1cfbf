// A member that is listed gives as many bytes as its header says, or is refused.
#include "lacuna/io/npz.h"

#include "targets.h"

namespace lacuna::fuzz {
namespace {

constexpr int64_t kMost = 1 << 16;  // bytes of all members: a few deflated ones hold many megabytes

}  // namespace

void npz(std::string_view bytes) {
  answer([&] {
    const NpzFile file("fuzzed", bytes);
    int64_t left = kMost;
    std::vector<std::byte> piece(777);
    for (const NpzFile::Entry& entry : file.entries()) {
      left -= entry.header.data_bytes;
      if (left < 0) break;
      answer([&] {
        NpzMember member = file.open(entry.name);
        while (member.left() > 0) {
          member.read(std::min<int64_t>(member.left(), 777), piece.data());
        }
      });
      answer([&] {
        promise(static_cast<int64_t>(file.integers(entry.name).size()) == entry.header.elements);
      });
    }
  });
}

}  // namespace lacuna::fuzz
