// What the formats of pictures have in common.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "lacuna/data/conversion.h"
#include "lacuna/data/format_options.h"
#include "lacuna/io/picture.h"

namespace lacuna {

/// The option data.mirror, and what it says.
FormatOption mirror_option();
bool mirrors(const FormatValues& values);

/// The option data.bad_files, and what it says.
FormatOption bad_files_option();
bool skips_bad_files(const FormatValues& values);

/// What their records are called: "pictures of 32 x 32 x 3".
std::string pictures_noun(const PictureTarget& target);

/// Colour planes, one after the other, as the channels of each pixel side by side. Both have the
/// same size, a multiple of `channels`.
void interleave(std::span<const std::byte> planes, int64_t channels, std::span<uint8_t> pixels);

/// Hands a picture's pixels on as a record.
void add_picture(const Picture& picture, RecordSink& sink);

}  // namespace lacuna
