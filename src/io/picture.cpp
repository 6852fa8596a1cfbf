#include "lacuna/io/picture.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "lacuna/base/error.h"
#include "lacuna/base/text.h"
#include "picture_formats.h"

namespace lacuna {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kPng = "\x89PNG\r\n\x1a\n", kJpeg = "\xff\xd8\xff";

struct Beginning {
  size_t at;
  std::string_view bytes, name;
};

constexpr Beginning kOthers[] = {
    {0, "GIF8"sv, "GIF"},
    {8, "WEBP"sv, "WebP"},
    {0, "BM"sv, "BMP"},
    {0, "II*\0"sv, "TIFF"},
    {0, "MM\0*"sv, "TIFF"},
    {0, "II+\0"sv, "TIFF"},
    {0, "MM\0+"sv, "TIFF"},
    {4, "ftypavif"sv, "AVIF"},
    {4, "ftyphei"sv, "HEIC"},
    {4, "ftypmif1"sv, "HEIC"},
    {0, "\0\0\0\x0cJXL "sv, "JPEG XL"},
    {0, "\xff\x0a"sv, "JPEG XL"},
    {0, "\0\0\0\x0cjP  "sv, "JPEG 2000"},
    {0, "\0\0\1\0"sv, "an icon (ICO)"},
    {0, "8BPS"sv, "Photoshop"},
    {0, "<svg"sv, "SVG"},
    {0, "<?xml"sv, "XML"},
    {0, "%PDF"sv, "PDF"},
    {0, "PK\3\4"sv, "a zip archive"},
    {0, "\x93NUMPY"sv, "a NumPy array"},
};

bool is_there(std::string_view bytes, const Beginning& beginning) {
  return bytes.size() >= beginning.at && bytes.substr(beginning.at).starts_with(beginning.bytes);
}

std::string first_bytes(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : bytes.substr(0, 8)) {
    text += {' ', kDigits[byte >> 4], kDigits[byte & 15]};
  }
  return text;
}

[[noreturn]] void refuse_format(std::string_view bytes, const std::string& path) {
  if (bytes.empty()) {
    throw Error(ErrorKind::kData, path, "expected a PNG or JPEG picture, but the file is empty");
  }
  const auto* other = std::find_if(std::begin(kOthers), std::end(kOthers),
                                   [&](const Beginning& some) { return is_there(bytes, some); });
  const std::string found = other == std::end(kOthers) ? "the file begins with" + first_bytes(bytes)
                                                       : str("the file looks like ", other->name);
  throw Error(ErrorKind::kData, path, "expected a PNG or JPEG picture, but " + found,
              "convert it to PNG or JPEG");
}

}  // namespace

Picture decode_picture(std::string_view bytes, const std::string& path,
                       const PictureLimits& limits) {
  if (bytes.starts_with(kPng)) {
    if (std::optional<Picture> plain = decode_plain_png(bytes, limits)) return *std::move(plain);
  }
  const auto decode = bytes.starts_with(kPng)    ? decode_png
                      : bytes.starts_with(kJpeg) ? decode_jpeg
                                                 : nullptr;
  if (decode == nullptr) refuse_format(bytes, path);
  StoredPicture stored = decode(bytes, path, limits);
  return oriented(std::move(stored.picture), stored.orientation);
}

void check_pixels(int64_t width, int64_t height, const std::string& path,
                  const PictureLimits& limits) {
  if (width <= limits.pixels / height) return;  // libpng and libjpeg refuse a height of 0
  throw Error(
      ErrorKind::kData, path,
      str("the file claims ", grouped(width), " x ", grouped(height), " = ",
          grouped(width * height), " pixels, and at most ", grouped(limits.pixels), " are read"),
      "if it is sound, scale it down first");
}

uint8_t* more_rows(Picture& picture, int64_t rows) {
  const size_t row_bytes = static_cast<size_t>(picture.width * picture.channels);
  const size_t whole = row_bytes * static_cast<size_t>(picture.height);
  const size_t filled = picture.pixels.size();
  picture.pixels.reserve(whole);  // not yet touched
  picture.pixels.resize(std::min(whole, filled + row_bytes * static_cast<size_t>(rows)));
  return picture.pixels.data() + filled;
}

Picture picture_grid(std::span<const Picture> pictures, int64_t columns, int64_t gap,
                     uint8_t background) {
  require(!pictures.empty() && columns >= 0 && gap >= 0, "picture_grid", "there is no such grid");
  const Picture& first = pictures.front();
  require(first.channels == 1 || first.channels == 3, "picture_grid", "a picture has alpha");
  const int64_t count = std::ssize(pictures);
  if (columns == 0) columns = std::llround(std::ceil(std::sqrt(static_cast<double>(count))));
  const int64_t rows = (count + columns - 1) / columns;
  Picture grid{
      columns * (first.width + gap) - gap, rows * (first.height + gap) - gap, first.channels, {}};
  grid.pixels.assign(static_cast<size_t>(grid.width * grid.height * grid.channels), background);
  const int64_t row_bytes = first.width * first.channels;
  for (int64_t i = 0; i < count; ++i) {
    const Picture& picture = pictures[i];
    require(picture.width == first.width && picture.height == first.height &&
                picture.channels == first.channels,
            "picture_grid", "the pictures differ in size");
    const int64_t left = i % columns * (first.width + gap);
    const int64_t top = i / columns * (first.height + gap);
    for (int64_t y = 0; y < first.height; ++y) {
      std::memcpy(&grid.pixels[((top + y) * grid.width + left) * grid.channels],
                  &picture.pixels[y * row_bytes], static_cast<size_t>(row_bytes));
    }
  }
  return grid;
}

}  // namespace lacuna
