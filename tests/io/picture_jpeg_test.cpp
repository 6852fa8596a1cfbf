#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "../catch.h"
#include "../expect_error.h"
#include "../temp_folder.h"
#include "lacuna/base/files.h"
#include "lacuna/io/picture.h"
#include "picture_files.h"

using namespace lacuna;

namespace {

using Bytes = std::vector<uint8_t>;

Bytes flat(int width, int height, const Bytes& pixel) {
  Bytes pixels;
  for (int i = 0; i < width * height; ++i) pixels.insert(pixels.end(), pixel.begin(), pixel.end());
  return pixels;
}

JpegFile flat_file(const Bytes& pixel) {
  return {20, 9, static_cast<int>(pixel.size()), flat(20, 9, pixel)};
}

// The one colour of a picture, each number within 2 of what is expected.
void is_flat(const JpegFile& file, const Bytes& color) {
  const Picture picture = decode_picture(jpeg_text(file), "some.jpg");
  CHECK(picture.width == file.width);
  CHECK(picture.height == file.height);
  REQUIRE(picture.channels == std::ssize(color));
  int furthest = 0;
  for (size_t i = 0; i < picture.pixels.size(); ++i) {
    furthest = std::max(furthest, std::abs(picture.pixels[i] - color[i % color.size()]));
  }
  CAPTURE(color, picture.pixels[0]);
  CHECK(furthest <= 2);
}

void refused(const std::string& bytes, const std::string& fragment) {
  expect_error(ErrorKind::kData, fragment, [&] { decode_picture(bytes, "some.jpg"); });
  expect_error(ErrorKind::kData, "some.jpg", [&] { decode_picture(bytes, "some.jpg"); });
}

// A grey 24 x 16 picture of six flat blocks, "abc" over "def".
JpegFile letters(const std::vector<std::string>& app1) {
  JpegFile file{24, 16, 1, {}};
  for (int y = 0; y < 16; ++y) {
    for (int x = 0; x < 24; ++x) {
      file.pixels.push_back(static_cast<uint8_t>(40 * (y / 8 * 3 + x / 8)));
    }
  }
  file.app1 = app1;
  return file;
}

// The letters row by row, a line each.
std::string seen(const std::string& jpeg) {
  const Picture picture = decode_picture(jpeg, "some.jpg");
  std::string text;
  for (int64_t y = 4; y < picture.height; y += 8) {
    for (int64_t x = 4; x < picture.width; x += 8) {
      text += static_cast<char>('a' + (picture.pixels[y * picture.width + x] + 20) / 40);
    }
    text += ' ';
  }
  return text;
}

std::string exif(int orientation, bool big_endian = false) {
  return std::string("Exif\0\0", 6) + tiff_with_orientation(orientation, big_endian);
}

JpegFile some_file(bool progressive) {
  JpegFile file{48, 40, 3, {}};
  uint32_t state = 1;
  for (int i = 0; i < 48 * 40 * 3; ++i) {
    state = state * 1664525 + 1013904223;
    file.pixels.push_back(static_cast<uint8_t>(state >> 24));
  }
  file.progressive = progressive;
  return file;
}

std::string with_size(std::string jpeg, unsigned width, unsigned height) {
  const size_t at = jpeg.find("\xff\xc0") + 5;
  const unsigned bytes[] = {height >> 8, height & 255, width >> 8, width & 255};
  for (size_t i = 0; i < 4; ++i) jpeg[at + i] = static_cast<char>(bytes[i]);
  return jpeg;
}

}  // namespace

TEST_CASE("JPEGs are read in their colours", "[picture]") {
  is_flat(flat_file({77}), {77});
  is_flat(flat_file({200, 30, 90}), {200, 30, 90});
  JpegFile progressive = flat_file({200, 30, 90});
  progressive.progressive = true;
  is_flat(progressive, {200, 30, 90});
}

TEST_CASE("inks become light: as they are, as Adobe inverts them, and as YCCK", "[picture]") {
  // Cyan 0.8, magenta 0.2, no yellow, black 0.4: light 0.2 * 0.6, 0.8 * 0.6, 0.6.
  const Bytes light = {31, 122, 153};
  is_flat(flat_file({204, 51, 0, 102}), light);
  JpegFile inverted = flat_file({51, 204, 255, 153});
  inverted.adobe = true;
  is_flat(inverted, light);
  inverted.ycck = true;
  is_flat(inverted, light);
}

TEST_CASE("a JPEG is turned as EXIF's orientation says", "[picture]") {
  const char* const kSeen[] = {"abc def ",  "cba fed ",  "fed cba ",  "def abc ",
                               "ad be cf ", "da eb fc ", "fc eb da ", "cf be ad "};
  for (int orientation = 1; orientation <= 8; ++orientation) {
    CAPTURE(orientation);
    CHECK(seen(jpeg_text(letters({exif(orientation)}))) == kSeen[orientation - 1]);
    // Other data in a marker of the same number come first.
    CHECK(seen(jpeg_text(letters({"http://ns.adobe.com/xap/1.0/", exif(orientation, true)}))) ==
          kSeen[orientation - 1]);
  }
}

TEST_CASE("an orientation that means nothing leaves a JPEG as it is", "[picture]") {
  const std::string good = exif(6);
  for (const std::string& data :
       {exif(0), exif(9), std::string("Exif\0\0", 6), good.substr(0, 12), good.substr(0, 20),
        std::string("Exif\0\0II*\0\xff\xff\xff\xff", 14)}) {
    CHECK(seen(jpeg_text(letters({data}))) == "abc def ");
  }
}

TEST_CASE("colours are turned too", "[picture]") {
  JpegFile file{8, 16, 3, flat(8, 8, {250, 10, 10})};
  const Bytes blue = flat(8, 8, {10, 10, 250});
  file.pixels.insert(file.pixels.end(), blue.begin(), blue.end());
  file.app1 = {exif(8)};
  const Picture picture = decode_picture(jpeg_text(file), "some.jpg");
  REQUIRE(picture.width == 16);
  CHECK(picture.pixels[0] > 240);
  CHECK(picture.pixels[15 * 3 + 2] > 240);
}

TEST_CASE("a JPEG that ends early is refused wherever it ends", "[picture]") {
  const std::string whole = jpeg_text(some_file(GENERATE(false, true)));
  for (size_t size = 3; size < whole.size(); size += 1 + size / 60) {
    CAPTURE(size);
    refused(whole.substr(0, size), "the JPEG ");
  }
  refused(whole.substr(0, whole.size() - 2), "the JPEG ends early, after ");
  refused(whole.substr(0, whole.size() - 1), "the JPEG ends early, after ");
  CHECK_NOTHROW(decode_picture(whole + "what follows", "some.jpg"));
}

TEST_CASE("a damaged JPEG is refused, with its place and why", "[picture]") {
  std::string bytes = jpeg_text(some_file(false));
  for (size_t i = bytes.size() / 2; i < bytes.size() / 2 + 40; ++i) bytes[i] = '\xff';
  refused(bytes, "the JPEG is damaged near byte ");
  refused(bytes, " of 40): ");
  refused("\xff\xd8\xff\xd9", "the JPEG is damaged near byte 4: ");
  refused(with_size(jpeg_text(flat_file({1})), 0, 9), "the JPEG is damaged");
  refused(with_size(jpeg_text(flat_file({1})), 20, 200), "the JPEG ");
  refused(jpeg_text(flat_file({1, 2, 3})).substr(0, 200) + "\xff\xd9", "the JPEG ");
}

TEST_CASE("a JPEG that claims too many pixels is refused before there is memory for them",
          "[picture]") {
  refused(with_size(jpeg_text(flat_file({1})), 65500, 65500),
          "65,500 x 65,500 = 4,290,250,000 pixels, and at most 268,435,456 are read");
}

TEST_CASE("a JPEG of scans without end is refused", "[picture]") {
  JpegFile file = flat_file({200, 30, 90});
  file.separate = true;
  is_flat(file, {200, 30, 90});
  std::string bytes = jpeg_text(file);
  const std::string scan = bytes.substr(bytes.rfind("\xff\xda"));  // with the end of the picture
  const auto repeated = [&](int times) {
    std::string text = bytes.substr(0, bytes.size() - scan.size());
    for (int i = 0; i < times; ++i) text += scan.substr(0, scan.size() - 2);
    return text + "\xff\xd9";
  };
  CHECK(decode_picture(repeated(150), "some.jpg") == decode_picture(bytes, "some.jpg"));
  refused(repeated(250), "the JPEG has more than 200 scans");
}

TEST_CASE("no message of a library reaches the terminal", "[picture]") {
  const TempFolder folder;
  const std::string path = folder / "stderr";
  const int kept = dup(2);
  const int file = open(path.c_str(), O_WRONLY | O_CREAT, 0600);
  dup2(file, 2);
  std::string jpeg = jpeg_text(some_file(false)), png = png_text({1, 1, kPngGrey, 8, {1}});
  int refusals = 0;
  for (const std::string& bytes :
       {jpeg.substr(0, jpeg.size() / 2), jpeg.substr(0, 100), png.substr(0, 60), png.substr(0, 30),
        png_text({4, 4, kPngGrey, 8, {}}), png_text({1, 1, kPngGrey, 3, {1}}),
        png_text({1, 1, kPngGrey, 8, {1}, {{"PLTE", "abc"}, {"tRNS", "long"}}}),
        jpeg_text(letters({std::string("Exif\0\0II*\0\xff\xff\xff\xff", 14)}))}) {
    try {
      decode_picture(bytes, "some");
    } catch (const Error&) {
      ++refusals;
    }
  }
  dup2(kept, 2);
  close(kept);
  close(file);
  CHECK(refusals >= 6);
  CHECK(read_text(path).empty());
}
