#include <cmath>

#include "../catch.h"
#include "lacuna/io/picture.h"

using namespace lacuna;

namespace {

using Bytes = std::vector<uint8_t>;

Picture patterned(int64_t width, int64_t height, int64_t channels) {
  Picture picture{width, height, channels, {}};
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      for (int64_t c = 0; c < channels; ++c) {
        picture.pixels.push_back(static_cast<uint8_t>(x * 37 + y * 91 + c * 53));
      }
    }
  }
  return picture;
}

Bytes squashed(const Picture& picture, int64_t width, int64_t height, int64_t channels) {
  const Picture small = fitted(picture, {width, height, channels, PictureFit::kSquash});
  CHECK(small.width == width);
  CHECK(small.height == height);
  CHECK(small.channels == channels);
  return small.pixels;
}

// The plain mean of pixels across, rounded, then of those down.
Bytes by_means(const Picture& picture, int64_t across, int64_t down) {
  const int64_t width = picture.width / across, channels = picture.channels;
  const auto rounded = [](double sum, int64_t count) {
    return std::floor(sum / static_cast<double>(count) + 0.5);
  };
  Bytes result;
  for (int64_t y = 0; y < picture.height / down; ++y) {
    for (int64_t i = 0; i < width * channels; ++i) {
      double column = 0;
      for (int64_t j = 0; j < down; ++j) {
        double row = 0;
        for (int64_t k = 0; k < across; ++k) {
          const int64_t x = i / channels * across + k;
          row += picture.pixels[((y * down + j) * picture.width + x) * channels + i % channels];
        }
        column += rounded(row, across);
      }
      result.push_back(static_cast<uint8_t>(rounded(column, down)));
    }
  }
  return result;
}

}  // namespace

TEST_CASE("a pixel is the mean over its area, rounded across and then down", "[picture]") {
  for (const auto& [across, down] : {std::pair{1, 1}, {2, 1}, {1, 2}, {3, 5}, {8, 4}, {40, 9}}) {
    CAPTURE(across, down);
    const Picture rgb = patterned(across * 6, down * 5, 3), grey = patterned(across * 7, down, 1);
    CHECK(squashed(rgb, 6, 5, 3) == by_means(rgb, across, down));
    CHECK(squashed(grey, 7, 1, 1) == by_means(grey, across, down));
  }
}

TEST_CASE("a pixel between two areas counts whole for the first", "[picture]") {
  const Picture five{5, 1, 1, {10, 20, 40, 100, 201}};
  CHECK(squashed(five, 2, 1, 1) == Bytes{23, 151});  // 70 / 3; 301 / 2
  CHECK(squashed({1, 5, 1, five.pixels}, 1, 2, 1) == Bytes{23, 151});
}

TEST_CASE("a picture that grows takes the nearest pixel", "[picture]") {
  CHECK(squashed({2, 1, 1, {0, 255}}, 5, 1, 1) == Bytes{0, 0, 255, 255, 255});
  CHECK(squashed({1, 2, 3, {1, 2, 3, 4, 5, 6}}, 1, 4, 3) ==
        Bytes{1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6});
}

// Image.fromarray(patterned).convert(...).crop(...).resize(size, Image.BOX) of Pillow 10.4.
TEST_CASE("fitted() makes the bytes that Pillow makes", "[picture]") {
  const Picture picture = patterned(7, 5, 3);
  CHECK(squashed(picture, 3, 2, 3) == Bytes{110, 120, 131, 117, 141, 137, 124, 135, 145,  //
                                            82, 135, 188, 131, 141, 109, 139, 128, 117});
  CHECK(squashed(picture, 9, 2, 1) == Bytes{124, 111, 111, 113, 150, 137, 139, 139, 126,  //
                                            106, 143, 143, 165, 127, 111, 148, 148, 110});
  CHECK(fitted(picture, {2, 2, 1, PictureFit::kCrop}).pixels == Bytes{125, 138, 145, 130});
}

TEST_CASE("a crop is the largest region in the middle with the target's aspect", "[picture]") {
  const Picture wide = patterned(9, 3, 1), tall = patterned(2, 9, 1);
  CHECK(fitted(wide, {3, 3, 1}).pixels == Bytes{111, 148, 185, 202, 239, 20, 37, 74, 111});
  CHECK(fitted(wide, {9, 1, 1}).pixels.size() == 9);
  CHECK(fitted(wide, {9, 1, 1}).pixels[0] == 91);            // the middle row alone
  CHECK(fitted(tall, {2, 1, 1}).pixels == Bytes{108, 145});  // row 4 of 9
  CHECK(fitted(tall, {1, 1000, 1}).pixels.front() == 0);     // column 0, a pixel wide
  CHECK(fitted(wide, {1000, 1, 1}).pixels.size() == 1000);   // a row, never none
  CHECK(fitted(wide, {18, 6, 1}).pixels == squashed(wide, 18, 6, 1));
}

TEST_CASE("grey becomes RGB and RGB grey, by Rec. 601", "[picture]") {
  CHECK(squashed({2, 1, 1, {7, 200}}, 2, 1, 3) == Bytes{7, 7, 7, 200, 200, 200});
  const Picture colors{4, 1, 3, {255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255}};
  CHECK(squashed(colors, 4, 1, 1) == Bytes{76, 150, 29, 255});
  // Grey first, then the mean: (76 + 150) / 2.
  CHECK(squashed({2, 1, 3, {255, 0, 0, 0, 255, 0}}, 1, 1, 1) == Bytes{113});
}

TEST_CASE("a transparent picture is laid over the background before it is scaled", "[picture]") {
  PictureTarget target{3, 1, 3, PictureFit::kSquash, {10, 100, 200}};
  const Picture rgba{3, 1, 4, {50, 60, 70, 255, 50, 60, 70, 0, 0, 0, 0, 128}};
  CHECK(fitted(rgba, target).pixels == Bytes{50, 60, 70, 10, 100, 200, 5, 50, 100});
  const Picture grey{3, 1, 2, {50, 255, 50, 0, 250, 51}};
  CHECK(fitted(grey, target).pixels == Bytes{50, 50, 50, 10, 100, 200, 58, 130, 210});
  target.width = 1;  // (255 of the first and 100 of the hidden one) / 2
  CHECK(fitted({2, 1, 2, {255, 255, 0, 0}}, target).pixels == Bytes{133, 178, 228});
  target.channels = 1;  // what is behind is grey as well: 0.299 * 10 + 0.587 * 100 + 0.114 * 200
  CHECK(fitted({1, 1, 4, {9, 9, 9, 0}}, target).pixels == Bytes{84});
  CHECK(fitted({1, 1, 2, {9, 255}}, target).pixels == Bytes{9});
}

TEST_CASE("a PNG that was written is read back the same", "[picture]") {
  for (const int64_t channels : {1, 3, 4}) {
    const Picture picture = patterned(50, 31, channels);
    CHECK(decode_picture(encode_png(picture), "written") == picture);
    CHECK(encode_png(picture) == encode_png(picture));
  }
}

TEST_CASE("a grid shows pictures row by row", "[picture]") {
  const std::vector<Picture> five = {
      {1, 1, 1, {1}}, {1, 1, 1, {2}}, {1, 1, 1, {3}}, {1, 1, 1, {4}}, {1, 1, 1, {5}}};
  CHECK(picture_grid(five, 0, 0, 9) == Picture{3, 2, 1, {1, 2, 3, 4, 5, 9}});
  CHECK(picture_grid(five, 2, 1, 9) ==
        Picture{3, 5, 1, {1, 9, 2, 9, 9, 9, 3, 9, 4, 9, 9, 9, 5, 9, 9}});
  CHECK(picture_grid(five, 7, 0, 0) == Picture{7, 1, 1, {1, 2, 3, 4, 5, 0, 0}});
  const std::vector<Picture> two = {{1, 2, 3, {1, 2, 3, 4, 5, 6}},
                                    {1, 2, 3, {7, 8, 9, 10, 11, 12}}};
  CHECK(picture_grid(two, 2, 1, 0) ==
        Picture{3, 2, 3, {1, 2, 3, 0, 0, 0, 7, 8, 9, 4, 5, 6, 0, 0, 0, 10, 11, 12}});
}
