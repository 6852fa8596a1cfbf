// PNG and JPEG files for tests, by other means than the code under test.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// PNG's colour types.
enum PngColor : uint8_t {
  kPngGrey = 0,
  kPngRgb = 2,
  kPngPalette = 3,
  kPngGreyAlpha = 4,
  kPngRgba = 6
};

struct PngFile {
  uint32_t width, height;
  PngColor color;
  int bits;
  std::vector<uint16_t> samples;  // row by row, channels of a pixel side by side
  std::vector<std::pair<std::string, std::string>> chunks;  // between the header and the pixels
  bool interlaced = false;
  int filters = 1;      // row y has filter y modulo this; 5: all that there are, 6: an unknown one
  size_t piece = 1000;  // bytes of an IDAT chunk
};

/// One chunk with its length and checksum.
std::string png_chunk(const std::string& name, const std::string& data);
std::string png_text(const PngFile& file);

struct JpegFile {
  int width, height;
  int channels;  // 1 grey, 3 RGB, 4 CMYK
  std::vector<uint8_t> pixels;
  bool ycck = false;   // CMYK turned into YCCK
  bool adobe = false;  // with Adobe's marker; YCCK always has it
  bool progressive = false;
  bool separate = false;               // a scan for each of three channels
  std::vector<std::string> app1 = {};  // markers
};

/// Of the best quality, without chroma subsampling, so that flat blocks of 8 x 8 keep their value.
std::string jpeg_text(const JpegFile& file);

/// A TIFF header and a directory with the orientation.
std::string tiff_with_orientation(int orientation, bool big_endian);
