#include "../../src/io/picture_formats.h"
#include "../catch.h"
#include "../expect_error.h"
#include "lacuna/io/picture.h"
#include "picture_files.h"

using namespace lacuna;

namespace {

using Bytes = std::vector<uint8_t>;
using Samples = std::vector<uint16_t>;

Picture decoded(const PngFile& file) {
  return decode_picture(png_text(file), "some.png");
}

void expect_png_refused(const std::string& bytes, const std::string& fragment) {
  expect_error(ErrorKind::kData, fragment, [&] { decode_picture(bytes, "some.png"); });
  expect_error(ErrorKind::kData, "some.png", [&] { decode_picture(bytes, "some.png"); });
}

// Numbers without a visible order.
Samples some_samples(size_t count, uint32_t below) {
  Samples samples;
  uint32_t state = 7;
  for (size_t i = 0; i < count; ++i) {
    state = state * 1664525 + 1013904223;
    samples.push_back(static_cast<uint16_t>((state >> 8) % below));
  }
  return samples;
}

const PngFile kSmall{
    .width = 2, .height = 2, .color = kPngGrey, .bits = 8, .samples = {1, 2, 3, 4}};

}  // namespace

TEST_CASE("PNGs of 8 bits are read as they are", "[picture]") {
  CHECK(decoded(kSmall) == Picture{2, 2, 1, {1, 2, 3, 4}});
  CHECK(decoded({2, 1, kPngGreyAlpha, 8, {9, 0, 8, 255}}) == Picture{2, 1, 2, {9, 0, 8, 255}});
  CHECK(decoded({1, 2, kPngRgb, 8, {1, 2, 3, 4, 5, 6}}) == Picture{1, 2, 3, {1, 2, 3, 4, 5, 6}});
  CHECK(decoded({1, 1, kPngRgba, 8, {1, 2, 3, 4}}) == Picture{1, 1, 4, {1, 2, 3, 4}});
}

TEST_CASE("all filters of a PNG's rows are undone", "[picture]") {
  for (const auto& [color, channels] :
       {std::pair{kPngGrey, 1u}, {kPngGreyAlpha, 2u}, {kPngRgb, 3u}, {kPngRgba, 4u}}) {
    for (const auto& [width, height] : {std::pair{1u, 5u}, {2u, 10u}, {37u, 23u}, {500u, 6u}}) {
      CAPTURE(channels, width, height);
      PngFile file{width, height, color, 8, some_samples(width * height * channels, 256)};
      const Bytes expected(file.samples.begin(), file.samples.end());
      file.filters = 5;
      for (const size_t piece : {10'000, 7}) {
        file.piece = piece;
        CHECK(decoded(file).pixels == expected);
      }
      file.chunks.push_back({"eXIf", ""});  // no longer plain: read by libpng
      CHECK(decoded(file).pixels == expected);
    }
  }
}

TEST_CASE("only sound and plain PNGs are read as plain ones", "[picture]") {
  const auto is_plain = [](const std::string& bytes) {
    return decode_plain_png(bytes, {.pixels = 6}).has_value();
  };
  const PngFile plain{3, 1, kPngGrey, 8, {1, 2, 3}};
  CHECK(is_plain(png_text(plain)));
  PngFile file = plain;
  file.chunks = {{"gAMA", {0, 0, 0x27, 0x10}}, {"prIv", ""}};
  CHECK(is_plain(png_text(file)));
  for (const char* name : {"tRNS", "eXIf", "PLTE", "NoNe", "a/bc"}) {
    file.chunks = {{name, std::string(2, '\0')}};
    CHECK_FALSE(is_plain(png_text(file)));
  }
  file = plain;
  file.interlaced = true;
  CHECK_FALSE(is_plain(png_text(file)));
  CHECK_FALSE(is_plain(png_text({3, 1, kPngGrey, 16, {1, 2, 3}})));
  CHECK_FALSE(is_plain(png_text({7, 1, kPngGrey, 8, {1, 2, 3, 4, 5, 6, 7}})));
  CHECK_FALSE(is_plain(png_text({2, 1, kPngGrey, 8, {}})));
  const std::string whole = png_text(plain);
  for (size_t i = 8; i < whole.size(); ++i) {
    std::string damaged = whole;
    damaged[i] ^= 4;
    CAPTURE(i);
    CHECK_FALSE(is_plain(damaged));
    CHECK_FALSE(is_plain(whole.substr(0, i)));
  }
}

TEST_CASE("PNGs of 16 bits are rounded to the nearest of 8", "[picture]") {
  Samples samples(65536);
  Bytes expected(65536);
  for (uint32_t i = 0; i < 65536; ++i) {
    samples[i] = static_cast<uint16_t>(i);
    expected[i] = static_cast<uint8_t>((i + 128) / 257);  // 257 is odd: there is no middle
  }
  CHECK(decoded({256, 256, kPngGrey, 16, samples}).pixels == expected);
  CHECK(decoded({1, 1, kPngRgba, 16, {128, 129, 65406, 65407}}) ==
        Picture{1, 1, 4, {0, 1, 254, 255}});
}

TEST_CASE("grey PNGs of 1, 2 and 4 bits use the whole range", "[picture]") {
  CHECK(decoded({3, 1, kPngGrey, 1, {1, 0, 1}}).pixels == Bytes{255, 0, 255});
  CHECK(decoded({5, 1, kPngGrey, 2, {0, 1, 2, 3, 1}}).pixels == Bytes{0, 85, 170, 255, 85});
  CHECK(decoded({3, 1, kPngGrey, 4, {0, 7, 15}}).pixels == Bytes{0, 119, 255});
}

TEST_CASE("palettes are looked up, and transparent colours become alpha", "[picture]") {
  const std::string palette = {1, 2, 3, 40, 50, 60, 7, 8, 9};
  for (const int bits : {2, 4, 8}) {
    CAPTURE(bits);
    PngFile file{3, 1, kPngPalette, bits, {2, 0, 1}, {{"PLTE", palette}}};
    CHECK(decoded(file) == Picture{3, 1, 3, {7, 8, 9, 1, 2, 3, 40, 50, 60}});
    file.chunks.push_back({"tRNS", {5, 100}});  // the third has none and is opaque
    CHECK(decoded(file) == Picture{3, 1, 4, {7, 8, 9, 255, 1, 2, 3, 5, 40, 50, 60, 100}});
  }
  CHECK(decoded({2, 1, kPngPalette, 1, {1, 0}, {{"PLTE", palette.substr(0, 6)}}}).pixels ==
        Bytes{40, 50, 60, 1, 2, 3});
  const std::string one = {0, 1};
  CHECK(decoded({2, 1, kPngGrey, 2, {1, 2}, {{"tRNS", one}}}) ==
        Picture{2, 1, 2, {85, 0, 170, 255}});
  CHECK(decoded({1, 1, kPngRgb, 8, {1, 1, 1}, {{"tRNS", one + one + one}}}) ==
        Picture{1, 1, 4, {1, 1, 1, 0}});
  // All 16 bits tell the transparent colour, not only those that stay.
  CHECK(decoded({2, 1, kPngGrey, 16, {1, 2}, {{"tRNS", one}}}) == Picture{2, 1, 2, {0, 0, 0, 255}});
}

TEST_CASE("interlaced PNGs are the same as others", "[picture]") {
  for (const auto& [width, height] : {std::pair{1u, 1u}, {2u, 9u}, {13u, 11u}, {5u, 1u}}) {
    for (const auto& [color, bits, channels] :
         {std::tuple{kPngGrey, 1, 1u}, {kPngRgb, 8, 3u}, {kPngRgba, 16, 4u}}) {
      CAPTURE(width, height, bits);
      PngFile file{width, height, color, bits, some_samples(width * height * channels, 1u << bits)};
      const Picture plain = decoded(file);
      file.interlaced = true;
      CHECK(decoded(file) == plain);
    }
  }
}

TEST_CASE("gamma and texts of a PNG change nothing, and its orientation does", "[picture]") {
  PngFile file = kSmall;
  file.chunks = {{"gAMA", {0, 0, 0x27, 0x10}}, {"tEXt", std::string("a\0b", 3)}};
  CHECK(decoded(file) == decoded(kSmall));
  file.chunks.push_back({"eXIf", tiff_with_orientation(6, true)});
  CHECK(decoded(file) == Picture{2, 2, 1, {3, 1, 4, 2}});
}

TEST_CASE("a PNG that ends early is refused wherever it ends", "[picture]") {
  const std::string whole =
      png_text({40, 40, kPngRgb, 8, some_samples(40 * 40 * 3, 256), {}, GENERATE(false, true)});
  for (size_t size = 8; size < whole.size(); size += 1 + size / 60) {
    CAPTURE(size);
    expect_png_refused(whole.substr(0, size), "the PNG ends early");
  }
  expect_png_refused(whole.substr(0, whole.size() - 1), "ends early");
  expect_png_refused(whole.substr(0, whole.size() / 2), " of 40)");
}

TEST_CASE("a damaged PNG is refused, with its place and why", "[picture]") {
  std::string bytes = png_text(kSmall);
  bytes[bytes.find("IDAT") + 7] ^= 1;
  expect_png_refused(bytes, "the PNG is damaged before byte ");
  bytes = png_text(kSmall);
  bytes[20] ^= 1;
  expect_png_refused(bytes, "IHDR: CRC error");
  expect_png_refused("\x89PNG\r\n\x1a\n" + png_chunk("IEND", ""),
                     "the PNG is damaged before byte 16");
  expect_png_refused(png_text({4, 4, kPngGrey, 8, {}}), "the PNG is damaged");  // too few pixels
  expect_png_refused(png_text({2, 2, kPngPalette, 8, {0, 0, 0, 0}}),
                     "the PNG is damaged");  // no palette
  expect_png_refused(png_text({0, 2, kPngGrey, 8, {}}), "the PNG is damaged");
  PngFile unknown_filter{1, 6, kPngGrey, 8, some_samples(6, 256)};
  unknown_filter.filters = 6;
  expect_png_refused(png_text(unknown_filter), "(row 6 of 6): ");
}

TEST_CASE("a PNG that claims too many pixels is refused before there is memory for them",
          "[picture]") {
  expect_png_refused(
      png_text({0x7fffffff, 0x7fffffff, kPngRgba, 16, {}}),
      "2,147,483,647 x 2,147,483,647 = 4,611,686,014,132,420,609 pixels, and at most "
      "268,435,456 are read");
  const PictureLimits limits{.pixels = 4};
  CHECK(decode_picture(png_text(kSmall), "", limits).pixels.size() == 4);
  expect_error(ErrorKind::kData, "5 x 1 = 5 pixels, and at most 4", [&] {
    decode_picture(png_text({5, 1, kPngGrey, 8, {1, 2, 3, 4, 5}}), "a.png", limits);
  });
}

TEST_CASE("other formats are refused by name, whatever the file is called", "[picture]") {
  expect_png_refused("", "expected a PNG or JPEG picture, but the file is empty");
  expect_png_refused("GIF89a\1\1", "the file looks like GIF");
  expect_png_refused("RIFF....WEBPVP8 ", "looks like WebP");
  expect_png_refused("BM......", "looks like BMP");
  expect_png_refused(std::string("II*\0\10\0\0\0", 8), "looks like TIFF");
  expect_png_refused(std::string("MM\0*\0\0\0\10", 8), "looks like TIFF");
  expect_png_refused(std::string("\0\0\0\x18"
                                 "ftypheic",
                                 12),
                     "looks like HEIC");
  expect_png_refused("hello, world", "the file begins with 68 65 6c 6c 6f 2c 20 77");
  expect_png_refused("\x89PNG", "the file begins with 89 50 4e 47");
}
