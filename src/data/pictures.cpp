#include "lacuna/data/pictures.h"

#include "lacuna/base/error.h"
#include "lacuna/base/text.h"

namespace lacuna {

FormatOption mirror_option() {
  return {"mirror", std::string("no"), one_of("no|yes"),
          "whether half of the training pictures are mirrored, left to right, each time anew",
          false};
}

bool mirrors(const FormatValues& values) {
  return values.text("mirror") == "yes";
}

FormatOption bad_files_option() {
  return {"bad_files", std::string("refuse"), one_of("refuse|skip"),
          "whether a file that cannot be read as a picture ends the command, or is left out and "
          "counted",
          false};
}

bool skips_bad_files(const FormatValues& values) {
  return values.text("bad_files") == "skip";
}

std::string pictures_noun(const PictureTarget& target) {
  return str("pictures of ", target.width, " x ", target.height, " x ", target.channels);
}

void interleave(std::span<const std::byte> planes, int64_t channels, std::span<uint8_t> pixels) {
  const auto count = static_cast<size_t>(channels), plane = planes.size() / count;
  require(planes.size() == pixels.size() && plane * count == planes.size(), "interleave",
          "the sizes do not fit one another");
  for (size_t c = 0; c < count; ++c) {
    for (size_t p = 0; p < plane; ++p) {
      pixels[p * count + c] = std::to_integer<uint8_t>(planes[c * plane + p]);
    }
  }
}

void add_picture(const Picture& picture, RecordSink& sink) {
  sink.add(picture.pixels);
  sink.end_record();
}

}  // namespace lacuna
