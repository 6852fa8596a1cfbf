// A picture has the pixels of its size, can be fitted, and reads back as it was written; libpng
// finds the same in a plain PNG. A PNG is read with its chunks' checksums mended, too, since no
// fuzzer would find them.
#include "lacuna/io/picture.h"

#include "../../src/io/picture_formats.h"
#include "targets.h"

namespace lacuna::fuzz {
namespace {

constexpr std::string_view kSignature = "\x89PNG\r\n\x1a\n";

uint32_t crc(std::string_view bytes) {
  uint32_t value = ~0u;
  for (const unsigned char byte : bytes) {
    value ^= byte;
    for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ (value & 1 ? 0xedb88320u : 0);
  }
  return ~value;
}

std::string mended(std::string_view bytes) {
  std::string png(bytes);
  for (size_t at = kSignature.size(); at + 12 <= png.size();) {
    size_t size = 0;
    for (size_t i = 0; i < 4; ++i) size = size << 8 | static_cast<uint8_t>(png[at + i]);
    if (size > png.size() - at - 12) break;
    const uint32_t sum = crc(std::string_view(png).substr(at + 4, size + 4));
    at += size + 12;
    for (size_t i = 0; i < 4; ++i) png[at - 4 + i] = static_cast<char>(sum >> (24 - 8 * i));
  }
  return png;
}

void read(std::string_view bytes) {
  const PictureLimits limits{.pixels = 1 << 16};
  if (bytes.starts_with(kSignature)) {
    // libpng may refuse what libdeflate reads: it knows no codes of lengths that no encoder writes,
    // though the checksum of the pixels is right.
    if (const auto plain = decode_plain_png(bytes, limits)) {
      answer([&] {
        const StoredPicture stored = decode_png(bytes, "fuzzed", limits);
        promise(stored.picture == *plain && stored.orientation == 1);
      });
    }
  }
  answer([&] {
    const Picture picture = decode_picture(bytes, "fuzzed", limits);
    promise(picture.width > 0 && picture.height > 0);
    promise(picture.width <= limits.pixels / picture.height);
    promise(picture.channels >= 1 && picture.channels <= 4);
    promise(std::ssize(picture.pixels) == picture.width * picture.height * picture.channels);
    for (const PictureFit fit : {PictureFit::kCrop, PictureFit::kSquash}) {
      const Picture small = fitted(picture, {.width = 7, .height = 5, .channels = 3, .fit = fit});
      promise(std::ssize(small.pixels) == 7 * 5 * 3);
      promise(decode_picture(encode_png(small), "written") == small);
    }
  });
}

}  // namespace

void picture(std::string_view bytes) {
  read(bytes);
  if (bytes.starts_with(kSignature)) read(mended(bytes));
}

}  // namespace lacuna::fuzz
