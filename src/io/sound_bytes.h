// The bytes of a sound file, on the disk or in memory, and what is read from them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <variant>

#include "lacuna/base/files.h"

namespace lacuna {

inline constexpr const char* kSoundCutShort =
    "It was probably cut short while it was copied or downloaded";

class SoundBytes {
 public:
  explicit SoundBytes(FileReader file) : from_(std::move(file)) {}
  /// Does not own the bytes.
  explicit SoundBytes(std::string_view bytes) : from_(bytes) {}

  size_t size() const {
    return std::visit([](const auto& from) { return from.size(); }, from_);
  }

  /// Bytes [begin, begin + count), or as many of them as there are.
  std::string read(size_t begin, size_t count) const {
    if (begin >= size()) return {};
    std::string bytes(std::min(count, size() - begin), '\0');
    read(begin, bytes.size(), bytes.data());
    return bytes;
  }

  /// Within size(). Throws Error(kIo).
  void read(size_t begin, size_t count, void* out) const {
    if (const auto* file = std::get_if<FileReader>(&from_)) {
      file->read(begin, count, static_cast<std::byte*>(out));
    } else {
      std::memcpy(out, std::get<std::string_view>(from_).data() + begin, count);
    }
  }

 private:
  std::variant<FileReader, std::string_view> from_;
};

/// A whole number, least significant byte first, which lies within `bytes`.
inline uint64_t little_endian(std::string_view bytes, size_t begin, size_t count) {
  uint64_t value = 0;
  for (size_t i = count; i-- > 0;)
    value = value << 8 | static_cast<unsigned char>(bytes[begin + i]);
  return value;
}

}  // namespace lacuna
