// RFC 3533: a page is "OggS", version, flags, granule (8), stream (4), number (4), checksum (4),
// how many segments, their lengths, the segments.
#include "sound_ogg.h"

#include <array>
#include <optional>

#include "lacuna/base/error.h"
#include "lacuna/base/text.h"

namespace lacuna {
namespace {

constexpr size_t kPageHead = 27;    // up to the lengths
constexpr size_t kChecksumAt = 22;  // counts as 0 in its own sum
constexpr size_t kMostSegments = 255;
constexpr unsigned char kLastPage = 4;

/// CRC-32 with the polynomial 0x04C11DB7, not reflected, from 0.
uint32_t checksum_of(std::string_view page) {
  static const auto table = [] {
    std::array<uint32_t, 256> sums{};
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t sum = i << 24;
      for (int bit = 0; bit < 8; ++bit) sum = sum << 1 ^ (sum >> 31 ? 0x04C11DB7 : 0);
      sums[i] = sum;
    }
    return sums;
  }();
  uint32_t sum = 0;
  for (size_t i = 0; i < page.size(); ++i) {
    const bool own = i >= kChecksumAt && i < kChecksumAt + 4;
    const uint32_t byte = own ? 0 : static_cast<unsigned char>(page[i]);
    sum = sum << 8 ^ table[sum >> 24 ^ byte];
  }
  return sum;
}

/// The page that begins at `at`; empty when none begins or it does not end within the file.
std::string page_at(const SoundBytes& bytes, size_t at) {
  const std::string head = bytes.read(at, kPageHead + kMostSegments);
  if (head.size() < kPageHead || head.substr(0, 5) != std::string_view("OggS\0", 5)) return {};
  const size_t segments = static_cast<unsigned char>(head[kPageHead - 1]);
  if (head.size() < kPageHead + segments) return {};
  size_t size = kPageHead + segments;
  for (size_t i = 0; i < segments; ++i) size += static_cast<unsigned char>(head[kPageHead + i]);
  return size <= bytes.size() - at ? bytes.read(at, size) : "";
}

}  // namespace

void check_ogg_pages(const std::string& place, const SoundBytes& bytes) {
  const auto refuse = [&](size_t at, const std::string& fault, const std::string& hint = "") {
    throw Error(ErrorKind::kData, place, str("at byte ", at, ' ', fault), hint);
  };
  std::optional<uint64_t> stream;
  uint64_t number = 0;
  bool ended = false;
  for (size_t at = 0; at < bytes.size();) {
    const std::string page = page_at(bytes, at);
    if (page.empty()) refuse(at, "no whole Ogg page begins", kSoundCutShort);
    if (checksum_of(page) != little_endian(page, kChecksumAt, 4)) {
      refuse(at, "the checksum of an Ogg page is wrong: it is damaged");
    }
    if (ended || stream.value_or(little_endian(page, 14, 4)) != little_endian(page, 14, 4)) {
      refuse(at, "a second stream begins, expected one", "Split or mix the streams of this file");
    }
    stream = little_endian(page, 14, 4);
    if (little_endian(page, 18, 4) != number++) refuse(at, "pages are missing");
    ended = (static_cast<unsigned char>(page[5]) & kLastPage) != 0;
    at += page.size();
  }
  if (!ended) refuse(bytes.size(), "the file ends before its stream does", kSoundCutShort);
}

}  // namespace lacuna
