// Between the sources of io/picture.h: the formats it reads, and EXIF's orientation.
#pragma once

#include <optional>

#include "lacuna/io/picture.h"

namespace lacuna {

/// A picture as it lies in the file, and how to turn it.
struct StoredPicture {
  Picture picture;
  int orientation = 1;  // EXIF's 1 .. 8; 1: as it is
};

/// Bytes that begin as a PNG file; by libpng.
StoredPicture decode_png(std::string_view bytes, const std::string& path,
                         const PictureLimits& limits);

/// The same of a PNG that is sound, of 8 bits and without palette, transparent colour, interlacing
/// and orientation, in less than half the time; nothing for all others.
std::optional<Picture> decode_plain_png(std::string_view bytes, const PictureLimits& limits);

/// Within the bytes of a PNG file, the data of its first chunk of that name; empty where there is
/// none, or damage before it.
std::string_view png_chunk_data(std::string_view bytes, std::string_view name);

/// Bytes that begin as a JPEG file.
StoredPicture decode_jpeg(std::string_view bytes, const std::string& path,
                          const PictureLimits& limits);

/// So many rows are decoded at a time.
inline constexpr int64_t kStripRows = 16;

/// What EXIF data ("Exif", two zeros and a TIFF header) say; 1 where they say nothing of use.
int exif_orientation(std::string_view exif);

/// The picture as it is to be seen.
Picture oriented(Picture picture, int orientation);

/// Throws Error(kData) beyond the limit.
void check_pixels(int64_t width, int64_t height, const std::string& path,
                  const PictureLimits& limits);

/// Gives the picture memory for so many rows more, at most to its height, and returns the first of
/// them. A file that ends early so takes no more than what was read of it.
uint8_t* more_rows(Picture& picture, int64_t rows);

}  // namespace lacuna
