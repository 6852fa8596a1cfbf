#include "picture_files.h"

// clang-format off
#include <cstdio>  // jpeglib.h needs it before
#include <jpeglib.h>
#include <zlib.h>
// clang-format on

#include <algorithm>
#include <cstdlib>

namespace {

void append_number(std::string& to, uint32_t number) {
  for (int shift = 24; shift >= 0; shift -= 8) to += static_cast<char>(number >> shift);
}

int channels_of(PngColor color) {
  return color == kPngRgb ? 3 : color == kPngRgba ? 4 : color == kPngGreyAlpha ? 2 : 1;
}

// Every right-th number from `left` on of a row of pixels, packed.
std::string packed_row(const PngFile& file, uint32_t y, uint32_t left, uint32_t right) {
  const uint32_t channels = channels_of(file.color);
  std::string row;
  uint32_t held = 0;
  int held_bits = 0;
  for (uint32_t x = left; x < file.width; x += right) {
    for (uint32_t c = 0; c < channels; ++c) {
      held = held << file.bits | file.samples[(y * file.width + x) * channels + c];
      held_bits += file.bits;
      for (; held_bits >= 8; held_bits -= 8) row += static_cast<char>(held >> (held_bits - 8));
    }
  }
  if (held_bits > 0) row += static_cast<char>(held << (8 - held_bits));
  return row;
}

// What PNG's filters subtract.
int predicted(int filter, int left, int above, int corner) {
  const int guess = left + above - corner;
  const int to_left = std::abs(guess - left), to_above = std::abs(guess - above);
  const int to_corner = std::abs(guess - corner);
  const int nearest = to_left <= to_above && to_left <= to_corner ? left
                      : to_above <= to_corner                     ? above
                                                                  : corner;
  const int predictions[] = {0, left, above, (left + above) / 2, nearest, 0};
  return predictions[filter];
}

// The pixels (left + i * right, top + j * down), each row after its filter's number.
void append_pass(std::string& to, const PngFile& file, uint32_t left, uint32_t top, uint32_t right,
                 uint32_t down) {
  if (left >= file.width) return;
  const size_t pixel = std::max(1, channels_of(file.color) * file.bits / 8);
  std::string above(packed_row(file, 0, left, right).size(), '\0');
  int rows = 0;
  for (uint32_t y = top; y < file.height; y += down) {
    const std::string row = packed_row(file, y, left, right);
    const auto byte = [&](const std::string& of, size_t i) {
      return i < pixel ? 0 : static_cast<uint8_t>(of[i - pixel]);
    };
    const int filter = rows++ % file.filters;
    to += static_cast<char>(filter);
    for (size_t i = 0; i < row.size(); ++i) {
      to += static_cast<char>(
          row[i] - predicted(filter, byte(row, i), static_cast<uint8_t>(above[i]), byte(above, i)));
    }
    above = row;
  }
}

std::string zlib_stream(const std::string& bytes) {
  uLongf size = compressBound(bytes.size());
  std::string packed(size, '\0');
  compress(reinterpret_cast<Bytef*>(packed.data()), &size,
           reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
  packed.resize(size);
  return packed;
}

}  // namespace

std::string png_chunk(const std::string& name, const std::string& data) {
  std::string chunk;
  append_number(chunk, static_cast<uint32_t>(data.size()));
  const std::string body = name + data;
  chunk += body;
  append_number(chunk, static_cast<uint32_t>(crc32(0, reinterpret_cast<const Bytef*>(body.data()),
                                                   static_cast<uInt>(body.size()))));
  return chunk;
}

std::string png_text(const PngFile& file) {
  std::string header;
  append_number(header, file.width);
  append_number(header, file.height);
  header += {static_cast<char>(file.bits), static_cast<char>(file.color), 0, 0,
             static_cast<char>(file.interlaced)};
  std::string text = "\x89PNG\r\n\x1a\n" + png_chunk("IHDR", header);
  for (const auto& [name, data] : file.chunks) text += png_chunk(name, data);
  std::string rows;
  if (file.interlaced) {
    constexpr uint32_t kPasses[][4] = {{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4},
                                       {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}};
    for (const auto& pass : kPasses) append_pass(rows, file, pass[0], pass[1], pass[2], pass[3]);
  } else if (!file.samples.empty()) {
    append_pass(rows, file, 0, 0, 1, 1);
  }
  const std::string packed = zlib_stream(rows);
  for (size_t i = 0; i < packed.size(); i += file.piece) {
    text += png_chunk("IDAT", packed.substr(i, file.piece));
  }
  return text + png_chunk("IEND", "");
}

std::string jpeg_text(const JpegFile& file) {
  jpeg_compress_struct info;
  jpeg_error_mgr errors;
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &bytes, &size);
  info.image_width = static_cast<JDIMENSION>(file.width);
  info.image_height = static_cast<JDIMENSION>(file.height);
  info.input_components = file.channels;
  info.in_color_space = file.channels == 1   ? JCS_GRAYSCALE
                        : file.channels == 3 ? JCS_RGB
                                             : JCS_CMYK;
  jpeg_set_defaults(&info);
  if (file.ycck) jpeg_set_colorspace(&info, JCS_YCCK);
  info.write_Adobe_marker = file.adobe || file.ycck;
  for (int i = 0; i < info.num_components; ++i) {
    info.comp_info[i].h_samp_factor = info.comp_info[i].v_samp_factor = 1;
  }
  jpeg_set_quality(&info, 100, TRUE);
  if (file.progressive) jpeg_simple_progression(&info);
  const jpeg_scan_info scans[] = {
      {1, {0}, 0, 63, 0, 0}, {1, {1}, 0, 63, 0, 0}, {1, {2}, 0, 63, 0, 0}};
  if (file.separate) {
    info.scan_info = scans;
    info.num_scans = 3;
  }
  jpeg_start_compress(&info, TRUE);
  for (const std::string& data : file.app1) {
    jpeg_write_marker(&info, JPEG_APP0 + 1, reinterpret_cast<const JOCTET*>(data.data()),
                      static_cast<unsigned>(data.size()));
  }
  std::vector<uint8_t> pixels = file.pixels;
  for (int y = 0; y < file.height; ++y) {
    JSAMPROW row = &pixels[static_cast<size_t>(y) * file.width * file.channels];
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  std::string text(reinterpret_cast<char*>(bytes), size);
  jpeg_destroy_compress(&info);
  std::free(bytes);
  return text;
}

std::string tiff_with_orientation(int orientation, bool big_endian) {
  std::string tiff = big_endian ? "MM" : "II";
  const auto append = [&](int bytes, uint32_t number) {
    for (int i = 0; i < bytes; ++i) {
      tiff += static_cast<char>(number >> 8 * (big_endian ? bytes - 1 - i : i));
    }
  };
  append(2, 42);
  append(4, 8);       // where the directory begins
  append(2, 1);       // one entry:
  append(2, 0x0112);  // the orientation,
  append(2, 3);       // a short,
  append(4, 1);       // one of them
  append(2, static_cast<uint32_t>(orientation));
  append(2, 0);
  append(4, 0);  // no other directory
  return tiff;
}
