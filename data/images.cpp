// Format "images": folders of PNG and JPEG files of any sizes, each brought to one size. Symbols
// are the pixels in raster order, each red, green, blue, or one grey.
#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <optional>

#include "lacuna/base/error.h"
#include "lacuna/base/files.h"
#include "lacuna/base/text.h"
#include "lacuna/data/format.h"
#include "lacuna/data/pictures.h"
#include "lacuna/data/records.h"

namespace lacuna {
namespace {

constexpr int64_t kMostSymbols = 16'777'216;  // of a picture: no model.context is longer

// A whole number that takes all of the text.
std::optional<int> number(std::string_view text, int base) {
  int value = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, fault] = std::from_chars(text.data(), end, value, base);
  if (fault != std::errc() || stopped != end || value > 255) return std::nullopt;
  if (std::isxdigit(static_cast<unsigned char>(text[0])) == 0) return std::nullopt;  // "-0"
  return value;
}

// "#rrggbb", or "r,g,b" in decimal numbers.
std::array<uint8_t, 3> color(const std::string& text) {
  std::vector<std::string> parts;
  const std::string_view word = trimmed(text);
  const bool hexadecimal = word.starts_with('#') && word.size() == 7;
  if (hexadecimal) {
    for (size_t i = 1; i < word.size(); i += 2) parts.emplace_back(word.substr(i, 2));
  } else {
    parts = split(word, ',');
  }
  std::array<uint8_t, 3> rgb{};
  bool sound = parts.size() == rgb.size();
  for (size_t i = 0; sound && i < rgb.size(); ++i) {
    const auto value = number(trimmed(parts[i]), hexadecimal ? 16 : 10);
    sound = value.has_value();
    if (sound) rgb[i] = static_cast<uint8_t>(*value);
  }
  if (sound) return rgb;
  throw Error(
      ErrorKind::kConfig, "data.background",
      "expected a colour such as \"#ffffff\" or \"255,255,255\", came '" + printable(text) + "'",
      "Give red, green and blue, each from 0 to 255 or from 00 to ff");
}

PictureTarget target(const FormatValues& values) {
  const PictureTarget target{
      .width = values.whole("width"),
      .height = values.whole("height"),
      .channels = values.whole("channels"),
      .fit = values.text("fit") == "crop" ? PictureFit::kCrop : PictureFit::kSquash,
      .background = color(values.text("background"))};
  if (target.channels != 1 && target.channels != 3) {
    throw Error(ErrorKind::kConfig, "data.channels",
                str("expected 1 (grey) or 3 (red, green, blue), came ", target.channels));
  }
  const int64_t symbols = target.width * target.height * target.channels;
  if (symbols > kMostSymbols) {
    throw Error(ErrorKind::kConfig, "data.width",
                str(pictures_noun(target), " have ", grouped(symbols),
                    " symbols each; a model sees ", grouped(kMostSymbols), " at most"),
                "Lower data.width and data.height");
  }
  return target;
}

std::unique_ptr<Medium> medium(const FormatValues& values) {
  return picture_medium(target(values), mirrors(values));
}

RecordRules rules(const FormatValues& values) {
  const auto convert = [target = target(values)](const std::string& path, RecordSink& sink) {
    add_picture(fitted(decode_picture(read_text(path), path), target), sink);
  };
  return {
      .noun = pictures_noun(target(values)),
      .suffixes = ".png .jpg .jpeg .PNG .JPG .JPEG .Png .Jpg .Jpeg",
      .converter = {.convert = convert, .small_files = true, .skip_bad = skips_bad_files(values)}};
}

std::unique_ptr<Dataset> open(const DatasetConfig& config) {
  return open_records(config, medium(config.values), rules(config.values));
}

}  // namespace

DatasetFormat images_format() {
  return {
      .options = {{"width", int64_t{64}, between(1, 8192),
                   "columns of pixels that every picture is brought to"},
                  {"height", int64_t{64}, between(1, 8192),
                   "rows of pixels that every picture is brought to"},
                  {"channels", int64_t{3}, between(1, 3),
                   "numbers of a pixel: 3 for red, green and blue, 1 for grey"},
                  {"fit", std::string("crop"), one_of("crop|squash"),
                   "whether a picture of another shape loses what is over at two of its sides, or "
                   "is squeezed"},
                  {"background", std::string("#ffffff"), any(),
                   "what transparent pixels are laid over: \"#rrggbb\", or \"r,g,b\" from 0 to "
                   "255"},
                  mirror_option(),
                  bad_files_option()},
      .medium = medium,
      .open = open};
}

}  // namespace lacuna
