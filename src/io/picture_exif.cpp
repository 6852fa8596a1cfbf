// The only source that includes libexif.
#include <libexif/exif-data.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "picture_formats.h"

namespace lacuna {
namespace {

// Where pixel (x, y) of what is seen lies in what is stored, in pixels: first + x * right + y *
// down.
struct Turn {
  int64_t width, height;  // of what is seen
  int64_t first, right, down;
};

Turn turn(const Picture& stored, int orientation) {
  const bool sideways = orientation >= 5;
  // Stored columns and rows that run against what is seen.
  const bool against_columns =
      orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool against_rows =
      orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  const int64_t column = against_columns ? -1 : 1;
  const int64_t row = against_rows ? -stored.width : stored.width;
  return {.width = sideways ? stored.height : stored.width,
          .height = sideways ? stored.width : stored.height,
          .first = (against_columns ? stored.width - 1 : 0) +
                   (against_rows ? stored.width * (stored.height - 1) : 0),
          .right = sideways ? row : column,
          .down = sideways ? column : row};
}

template <int kChannels>
void copy_turned(const Turn& turn, const uint8_t* from, uint8_t* to) {
  constexpr int64_t kTile = 32;  // rows read as columns then come from the cache
  for (int64_t top = 0; top < turn.height; top += kTile) {
    for (int64_t left = 0; left < turn.width; left += kTile) {
      for (int64_t y = top; y < std::min(top + kTile, turn.height); ++y) {
        for (int64_t x = left; x < std::min(left + kTile, turn.width); ++x) {
          std::memcpy(to + (y * turn.width + x) * kChannels,
                      from + (turn.first + x * turn.right + y * turn.down) * kChannels, kChannels);
        }
      }
    }
  }
}

}  // namespace

int exif_orientation(std::string_view exif) {
  const std::unique_ptr<ExifData, decltype(&exif_data_unref)> data(exif_data_new(),
                                                                   exif_data_unref);
  if (data == nullptr) return 1;
  exif_data_unset_option(data.get(), EXIF_DATA_OPTION_FOLLOW_SPECIFICATION);  // as it is
  exif_data_load_data(data.get(), reinterpret_cast<const unsigned char*>(exif.data()),
                      static_cast<unsigned int>(exif.size()));
  const ExifEntry* entry = exif_content_get_entry(data->ifd[EXIF_IFD_0], EXIF_TAG_ORIENTATION);
  if (entry == nullptr || entry->format != EXIF_FORMAT_SHORT || entry->size < 2) return 1;
  const int orientation = exif_get_short(entry->data, exif_data_get_byte_order(data.get()));
  return orientation >= 1 && orientation <= 8 ? orientation : 1;
}

Picture oriented(Picture picture, int orientation) {
  if (orientation == 1) return picture;
  const Turn how = turn(picture, orientation);
  Picture seen{how.width, how.height, picture.channels, {}};
  seen.pixels.resize(picture.pixels.size());
  constexpr decltype(&copy_turned<1>) kCopy[] = {copy_turned<1>, copy_turned<2>, copy_turned<3>,
                                                 copy_turned<4>};
  kCopy[picture.channels - 1](how, picture.pixels.data(), seen.pixels.data());
  return seen;
}

}  // namespace lacuna
