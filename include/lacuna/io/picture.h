// Pictures of 8-bit numbers: read from PNG and JPEG, brought to one size, laid out as a grid and
// written as PNG. All functions may be called by several threads at once.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lacuna {

struct Picture {
  int64_t width = 0, height = 0;
  int64_t channels = 0;         // 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha
  std::vector<uint8_t> pixels;  // rows from the top, channels of a pixel side by side

  bool operator==(const Picture&) const = default;
};

struct PictureLimits {
  int64_t pixels = int64_t{1} << 28;  // width x height; refused before memory is taken for them
};

/// The picture of a PNG or JPEG file's bytes, told apart by their beginning. As people see it: of
/// 8 bits whatever the file has (16 bits are rounded to the nearest), palettes looked up,
/// transparent colours as alpha, CMYK and YCCK as RGB, turned as EXIF's orientation says. Gamma and
/// colour profiles are not applied. `path` only names the file in messages. Throws Error(kData)
/// for bytes that are damaged, end early, are of another format or have more than limits.pixels;
/// what libjpeg only warns of is damage too.
Picture decode_picture(std::string_view bytes, const std::string& path,
                       const PictureLimits& limits = {});

enum class PictureFit : uint8_t {
  kCrop,    // the largest region in the middle that has the target's aspect ratio, in whole pixels
  kSquash,  // the whole picture
};

struct PictureTarget {
  int64_t width = 0, height = 0;
  int64_t channels = 3;  // 1 or 3
  PictureFit fit = PictureFit::kCrop;
  std::array<uint8_t, 3> background = {255, 255, 255};  // RGB, where a picture is transparent
};

/// The picture as the target says. Laid over the background first, then made grey if asked
/// (Rec. 601), cropped, and scaled by the mean over each pixel's area, in whole pixels (the nearest
/// one where it grows): the same bytes as Pillow's convert("L"), crop() and resize(size, BOX).
/// Numbers are taken as they are stored, without gamma.
Picture fitted(const Picture& picture, const PictureTarget& target);

/// Pictures of one size and of one number of channels (1 or 3), row by row, with `gap` pixels of
/// `background` between them and in the cells that are left over. `columns` 0: as near to as many
/// rows as columns as can be. There is at least one picture.
Picture picture_grid(std::span<const Picture> pictures, int64_t columns = 0, int64_t gap = 2,
                     uint8_t background = 255);

/// A PNG file of a picture of 1, 3 or 4 channels; the same bytes for the same picture.
std::string encode_png(const Picture& picture);

}  // namespace lacuna
