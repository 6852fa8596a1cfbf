// Pictures brought to a target: alpha, grey, crop and the mean over areas.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "lacuna/base/error.h"
#include "lacuna/io/picture.h"

namespace lacuna {
namespace {

// Rows of pixels side by side, as they lie within a picture.
struct Region {
  const uint8_t* first;
  int64_t width, height;
  int64_t row_bytes;  // from one row to the next
};

// An output pixel is the mean of `count` pixels from `begin`, as sum * weight in fixed point.
struct Cell {
  int64_t begin, count;
  uint32_t weight;
};

constexpr int kFractionBits = 22;  // Pillow's: 32 less 8 of a number and 2 spare ones
constexpr uint32_t kHalf = 1u << (kFractionBits - 1);

// The pixels whose centres lie within half an output pixel of its centre, in the double arithmetic
// of Pillow's precompute_coeffs() and box_filter(), since the last bit decides which count.
Cell cell(int64_t at, int64_t from, int64_t to) {
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  const double extent = std::max(scale, 1.0), support = 0.5 * extent;
  const double center = (static_cast<double>(at) + 0.5) * scale;
  const auto clamped = [from](double edge) {
    return std::clamp<int64_t>(static_cast<int64_t>(edge + 0.5), 0, from);
  };
  const auto within = [&](int64_t pixel) {
    const double distance = (static_cast<double>(pixel) - center + 0.5) * (1.0 / extent);
    return distance > -0.5 && distance <= 0.5;
  };
  int64_t begin = clamped(center - support), end = clamped(center + support);
  while (begin < end && !within(begin)) ++begin;
  while (begin < end && !within(end - 1)) --end;
  const double share = 1.0 / static_cast<double>(std::max<int64_t>(end - begin, 1));
  return {begin, end - begin, static_cast<uint32_t>(0.5 + share * (1 << kFractionBits))};
}

std::vector<Cell> cells(int64_t from, int64_t to) {
  std::vector<Cell> all;
  all.reserve(static_cast<size_t>(to));
  for (int64_t i = 0; i < to; ++i) all.push_back(cell(i, from, to));
  return all;
}

uint8_t mean(uint32_t sum, uint32_t weight) {
  return static_cast<uint8_t>(std::min((kHalf + sum * weight) >> kFractionBits, 255u));
}

template <int kChannels>
void narrow_row(const uint8_t* from, const std::vector<Cell>& columns, uint8_t* to) {
  for (const Cell& column : columns) {
    const uint8_t* pixel = from + column.begin * kChannels;
    uint32_t sums[kChannels] = {};
    for (int64_t i = 0; i < column.count; ++i, pixel += kChannels) {
      for (int c = 0; c < kChannels; ++c) sums[c] += pixel[c];
    }
    for (int c = 0; c < kChannels; ++c) *to++ = mean(sums[c], column.weight);
  }
}

// The rows of a cell, each `bytes` long, to one.
void flatten_rows(const uint8_t* from, const Cell& cell, int64_t bytes, uint32_t* sums,
                  uint8_t* to) {
  std::fill_n(sums, bytes, 0u);
  for (int64_t i = 0; i < cell.count; ++i, from += bytes) {
    for (int64_t j = 0; j < bytes; ++j) sums[j] += from[j];
  }
  for (int64_t j = 0; j < bytes; ++j) to[j] = mean(sums[j], cell.weight);
}

// First across, then down, with bytes between.
template <int kChannels>
void scale(const Region& from, int64_t width, int64_t height, uint8_t* to) {
  const int64_t bytes = width * kChannels;
  const std::vector<Cell> columns = cells(from.width, width);
  std::vector<uint8_t> narrow;
  std::vector<uint32_t> sums(static_cast<size_t>(bytes));
  for (int64_t y = 0; y < height; ++y) {
    const Cell rows = cell(y, from.height, height);
    narrow.resize(static_cast<size_t>(std::max<int64_t>(rows.count, 1) * bytes));
    for (int64_t i = 0; i < rows.count; ++i) {
      narrow_row<kChannels>(from.first + (rows.begin + i) * from.row_bytes, columns,
                            narrow.data() + i * bytes);
    }
    flatten_rows(narrow.data(), rows, bytes, sums.data(), to + y * bytes);
  }
}

// What of a picture is shown, in whole pixels.
struct Part {
  int64_t left, top, width, height;
};

Part shown(const Picture& picture, const PictureTarget& target) {
  const int64_t width = picture.width, height = picture.height;
  if (target.fit == PictureFit::kSquash) return {0, 0, width, height};
  const double aspect = static_cast<double>(target.width) / static_cast<double>(target.height);
  const auto side = [](double length, int64_t most) {
    return std::clamp<int64_t>(std::llround(length), 1, most);
  };
  const int64_t part_width = side(static_cast<double>(height) * aspect, width);
  const int64_t part_height = side(static_cast<double>(width) / aspect, height);
  return {(width - part_width) / 2, (height - part_height) / 2, part_width, part_height};
}

uint8_t luma(const uint8_t* rgb) {  // Rec. 601, in Pillow's whole numbers
  return static_cast<uint8_t>((19595u * rgb[0] + 38470u * rgb[1] + 7471u * rgb[2] + 0x8000u) >> 16);
}

uint8_t laid_over(uint32_t value, uint32_t alpha, uint32_t background) {
  return static_cast<uint8_t>((value * alpha + background * (255 - alpha) + 127) / 255);
}

// The pixel without alpha, in the target's channels.
template <int kFrom, int kTo>
void convert_pixel(const uint8_t* from, const std::array<uint8_t, 3>& background, uint8_t* to) {
  uint8_t rgb[3];
  for (int c = 0; c < 3; ++c) {
    const uint8_t value = from[kFrom >= 3 ? c : 0];
    rgb[c] = kFrom % 2 == 0 ? laid_over(value, from[kFrom - 1], background[c]) : value;
  }
  if constexpr (kTo == 1) {
    *to = kFrom == 1 ? *from : luma(rgb);
  } else {
    std::memcpy(to, rgb, 3);
  }
}

template <int kFrom, int kTo>
void convert_row(const uint8_t* from, int64_t width, const std::array<uint8_t, 3>& background,
                 uint8_t* to) {
  for (int64_t x = 0; x < width; ++x) {
    convert_pixel<kFrom, kTo>(from + x * kFrom, background, to + x * kTo);
  }
}

using ConvertRow = decltype(&convert_row<1, 1>);

ConvertRow conversion(int64_t from, int64_t to) {
  constexpr ConvertRow kConversions[4][2] = {{convert_row<1, 1>, convert_row<1, 3>},
                                             {convert_row<2, 1>, convert_row<2, 3>},
                                             {convert_row<3, 1>, convert_row<3, 3>},
                                             {convert_row<4, 1>, convert_row<4, 3>}};
  return kConversions[from - 1][to / 2];
}

Region region(const Picture& picture) {
  return {picture.pixels.data(), picture.width, picture.height, picture.width * picture.channels};
}

Picture converted(const Region& from, int64_t from_channels, int64_t to_channels,
                  const std::array<uint8_t, 3>& background) {
  Picture to{from.width, from.height, to_channels, {}};
  const int64_t row_bytes = to.width * to_channels;
  to.pixels.resize(static_cast<size_t>(row_bytes * to.height));
  const ConvertRow convert = conversion(from_channels, to_channels);
  for (int64_t y = 0; y < to.height; ++y) {
    convert(from.first + y * from.row_bytes, to.width, background, &to.pixels[y * row_bytes]);
  }
  return to;
}

void check(const Picture& picture, const PictureTarget& target) {
  require(picture.channels >= 1 && picture.channels <= 4 && picture.width > 0 &&
              picture.height > 0 &&
              std::ssize(picture.pixels) == picture.width * picture.height * picture.channels,
          "fitted", "the picture's pixels are not those of its size");
  require(target.width > 0 && target.height > 0 && (target.channels == 1 || target.channels == 3),
          "fitted", "there is no such target");
}

}  // namespace

Picture fitted(const Picture& picture, const PictureTarget& target) {
  check(picture, target);
  if (picture.width == target.width && picture.height == target.height &&
      picture.channels == target.channels) {
    return picture;
  }
  const Part part = shown(picture, target);
  Region from{&picture.pixels[(part.top * picture.width + part.left) * picture.channels],
              part.width, part.height, picture.width * picture.channels};
  const int64_t channels = picture.channels == 1 ? 1 : target.channels;  // while it is scaled
  Picture source;
  if (picture.channels != channels) {
    source = converted(from, picture.channels, channels, target.background);
    from = region(source);
  }
  Picture result{target.width, target.height, channels, {}};
  result.pixels.resize(static_cast<size_t>(target.width * target.height * channels));
  const auto scaled = channels == 1 ? scale<1> : scale<3>;
  scaled(from, target.width, target.height, result.pixels.data());
  if (channels == target.channels) return result;
  return converted(region(result), channels, target.channels, target.background);
}

}  // namespace lacuna
