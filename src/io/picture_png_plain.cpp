// The only source that includes libdeflate. Most PNGs are plain: of 8 bits, without a palette, not
// interlaced. zlib and libpng's filters take most of the time of such a one; this does with less.
#include <libdeflate.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "picture_formats.h"

namespace lacuna {
namespace {

using namespace std::string_view_literals;

constexpr size_t kSignature = 8, kAround = 12;  // a chunk's length, name and checksum
constexpr size_t kMostInflated = 1032;          // bytes out of one, by deflate's codes

uint32_t number_at(std::string_view bytes, size_t at) {
  uint32_t number = 0;
  for (size_t i = 0; i < 4; ++i) number = number << 8 | static_cast<uint8_t>(bytes[at + i]);
  return number;
}

struct PngChunk {
  std::string_view name, data;
};

// Cuts the first chunk off `rest`; one without a name where there is none that is whole.
PngChunk next_chunk(std::string_view& rest) {
  if (rest.size() < kAround) return {};
  const size_t size = number_at(rest, 0);
  if (size > rest.size() - kAround) return {};
  const std::string_view body = rest.substr(4, 4 + size);
  if (libdeflate_crc32(0, body.data(), body.size()) != number_at(rest, 8 + size)) return {};
  rest.remove_prefix(size + kAround);
  return {body.substr(0, 4), body.substr(4)};
}

// Whether it says nothing of the pixels.
bool is_aside(const PngChunk& chunk) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  return !chunk.name.empty() && chunk.name[0] >= 'a' && chunk.name != "tRNS" &&
         chunk.name != "eXIf" && std::all_of(chunk.name.begin(), chunk.name.end(), is_letter);
}

// Size and channels by the header; no channels where the picture is not plain.
Picture announced(const PngChunk& header) {
  constexpr int kChannels[] = {1, 0, 3, 0, 2, 0, 4};  // by PNG's colour types
  if (header.name != "IHDR" || header.data.size() != 13) return {};
  const auto color = static_cast<uint8_t>(header.data[9]);
  const bool plain = header.data[8] == 8 && header.data.substr(10) == "\0\0\0"sv;
  if (!plain || color >= std::size(kChannels)) return {};
  return {number_at(header.data, 0), number_at(header.data, 4), kChannels[color], {}};
}

// The data of all IDAT chunks, in `joined` where there are several; nothing unless the rest of the
// file is sound and plain.
std::string_view packed_pixels(std::string_view rest, std::string& joined) {
  PngChunk chunk = next_chunk(rest);
  while (is_aside(chunk)) chunk = next_chunk(rest);
  std::string_view packed;
  for (bool first = true; chunk.name == "IDAT"; first = false) {
    const PngChunk next = next_chunk(rest);
    if (first && next.name != "IDAT") {
      packed = chunk.data;
    } else {
      packed = joined.append(chunk.data);
    }
    chunk = next;
  }
  while (is_aside(chunk)) chunk = next_chunk(rest);
  return chunk.name == "IEND" && chunk.data.empty() ? packed : std::string_view();
}

bool inflate(std::string_view packed, std::vector<uint8_t>& bytes) {
  const std::unique_ptr<libdeflate_decompressor, decltype(&libdeflate_free_decompressor)> inflater(
      libdeflate_alloc_decompressor(), libdeflate_free_decompressor);
  return inflater != nullptr &&
         libdeflate_zlib_decompress(inflater.get(), packed.data(), packed.size(), bytes.data(),
                                    bytes.size(), nullptr) == LIBDEFLATE_SUCCESS;
}

// The channels of a pixel, one lane each; GCC's and clang's vectors. A pixel of less than four
// channels is read and written with what follows it, for which rows have kSpare bytes at the end.
using Lanes = int32_t __attribute__((vector_size(16)));
using ByteLanes = uint8_t __attribute__((vector_size(4)));
constexpr int64_t kSpare = 3;

Lanes pixel_at(const uint8_t* from) {
  ByteLanes bytes;
  std::memcpy(&bytes, from, sizeof bytes);
  return __builtin_convertvector(bytes, Lanes);
}

Lanes distance(Lanes difference) {
  return difference < 0 ? -difference : difference;
}

Lanes paeth(Lanes left, Lanes above, Lanes corner) {
  const Lanes to_left = distance(above - corner), to_above = distance(left - corner);
  const Lanes to_corner = distance(left + above - 2 * corner);
  const Lanes nearer = to_above <= to_corner ? above : corner;
  return to_left <= (to_above < to_corner ? to_above : to_corner) ? left : nearer;
}

// predict(left, above, corner): what the row's differences were taken from.
template <int kChannels, class Predict>
void add_predictions(const uint8_t* row, const uint8_t* above_row, int64_t bytes, uint8_t* to,
                     const Predict& predict) {
  Lanes left = {}, corner = {};
  for (int64_t i = 0; i < bytes; i += kChannels) {
    const Lanes above = pixel_at(above_row + i);
    left = (pixel_at(row + i) + predict(left, above, corner)) & 255;
    corner = above;
    const ByteLanes pixel = __builtin_convertvector(left, ByteLanes);
    std::memcpy(to + i, &pixel, sizeof pixel);
  }
}

template <int kChannels>
bool unfilter_row(int filter, const uint8_t* row, const uint8_t* above, int64_t bytes,
                  uint8_t* __restrict to) {
  const auto add = [=](const auto& predict) {
    add_predictions<kChannels>(row, above, bytes, to, predict);
    return true;
  };
  switch (filter) {
    case 0:
      std::memcpy(to, row, static_cast<size_t>(bytes));
      return true;
    case 1:
      return add([](Lanes left, Lanes, Lanes) { return left; });
    case 2:
      for (int64_t i = 0; i < bytes; ++i) to[i] = static_cast<uint8_t>(row[i] + above[i]);
      return true;
    case 3:
      return add([](Lanes left, Lanes up, Lanes) { return (left + up) >> 1; });
    case 4:
      return add(paeth);
    default:
      return false;
  }
}

// In place: a filtered row lies behind where it goes, by its filter's number and those before.
template <int kChannels>
bool unfilter(Picture& picture) {
  const int64_t bytes = picture.width * kChannels;
  std::vector<uint8_t> filtered(static_cast<size_t>(bytes + kSpare)), row = filtered,
                                                                      above = filtered;
  for (int64_t y = 0; y < picture.height; ++y) {
    const uint8_t* from = picture.pixels.data() + y * (bytes + 1);
    std::memcpy(filtered.data(), from + 1, static_cast<size_t>(bytes));
    if (!unfilter_row<kChannels>(*from, filtered.data(), above.data(), bytes, row.data())) {
      return false;
    }
    std::memcpy(picture.pixels.data() + y * bytes, row.data(), static_cast<size_t>(bytes));
    std::swap(row, above);
  }
  picture.pixels.resize(static_cast<size_t>(bytes * picture.height));
  return true;
}

}  // namespace

std::string_view png_chunk_data(std::string_view bytes, std::string_view name) {
  std::string_view rest = bytes.substr(kSignature);
  PngChunk chunk = next_chunk(rest);
  while (!chunk.name.empty() && chunk.name != name && chunk.name != "IEND")
    chunk = next_chunk(rest);
  return chunk.name == name ? chunk.data : std::string_view();
}

std::optional<Picture> decode_plain_png(std::string_view bytes, const PictureLimits& limits) {
  std::string_view rest = bytes.substr(kSignature);
  Picture picture = announced(next_chunk(rest));
  if (picture.channels == 0 || picture.width == 0 || picture.height == 0) return std::nullopt;
  if (picture.width > limits.pixels / picture.height) return std::nullopt;
  std::string joined;
  const std::string_view packed = packed_pixels(rest, joined);
  const auto size = static_cast<size_t>(picture.height * (picture.width * picture.channels + 1));
  if (size / kMostInflated > packed.size()) return std::nullopt;  // no memory for what is not there
  picture.pixels.resize(size);
  if (!inflate(packed, picture.pixels)) return std::nullopt;
  constexpr decltype(&unfilter<1>) kUnfilter[] = {unfilter<1>, unfilter<2>, unfilter<3>,
                                                  unfilter<4>};
  if (!kUnfilter[picture.channels - 1](picture)) return std::nullopt;
  return picture;
}

}  // namespace lacuna
