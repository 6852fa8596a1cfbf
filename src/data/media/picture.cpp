// Pictures: bytes of interleaved channels in raster order, shown as PNG.
#include <algorithm>

#include "lacuna/base/files.h"
#include "lacuna/data/medium.h"

namespace lacuna {
namespace {

class Pictures final : public Medium {
 public:
  Pictures(const PictureTarget& target, bool mirrored) : target_(target), mirrored_(mirrored) {}

  Unit unit() const override { return {"dim"}; }
  WindowGrid grid() const override { return {.alignment = sample_size(), .shifted = false}; }
  std::vector<int64_t> shape() const override {
    return {target_.height, target_.width, target_.channels};
  }
  std::vector<int64_t> position_tables() const override {
    std::vector<int64_t> tables = shape();
    if (target_.channels == 1) tables.pop_back();
    return tables;
  }

  // Row by row from left to right, by the highest bit.
  void augment(std::span<int32_t> sample, uint32_t random) const override {
    if (!mirrored_ || (random >> 31) == 0) return;
    const int64_t width = target_.width, channels = target_.channels;
    for (int64_t row = 0; row < target_.height; ++row) {
      int32_t* pixels = sample.data() + row * width * channels;
      for (int64_t left = 0, right = width - 1; left < right; ++left, --right) {
        std::swap_ranges(pixels + left * channels, pixels + (left + 1) * channels,
                         pixels + right * channels);
      }
    }
  }

  std::string printed(int32_t, bool) const override { return ""; }
  std::string suffix() const override { return ".png"; }
  std::string file(std::span<const int32_t> symbols) const override {
    return encode_png(picture_of(symbols));
  }
  bool has_sheet() const override { return true; }
  std::string sheet(std::span<const std::vector<int32_t>> samples) const override {
    std::vector<Picture> pictures;
    for (const auto& sample : samples) pictures.push_back(picture_of(sample));
    return encode_png(picture_grid(pictures));
  }
  std::vector<int32_t> symbols_of(const std::string& path) const override {
    const Picture picture = fitted(decode_picture(read_text(path), path), target_);
    return {picture.pixels.begin(), picture.pixels.end()};
  }

 private:
  Picture picture_of(std::span<const int32_t> symbols) const {
    Picture picture{.width = target_.width, .height = target_.height, .channels = target_.channels};
    picture.pixels.resize(static_cast<size_t>(sample_size()));
    std::transform(symbols.begin(),
                   symbols.begin() + std::min<std::ptrdiff_t>(std::ssize(symbols), sample_size()),
                   picture.pixels.begin(), [](int32_t s) { return static_cast<uint8_t>(s); });
    return picture;
  }

  PictureTarget target_;
  bool mirrored_;
};

}  // namespace

std::unique_ptr<Medium> picture_medium(const PictureTarget& target, bool mirrored) {
  return std::make_unique<Pictures>(target, mirrored);
}

}  // namespace lacuna
