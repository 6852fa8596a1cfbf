// The only source that includes libjpeg.
// clang-format off
#include <cstdio>  // jpeglib.h needs it before
#include <jpeglib.h>
#include <jerror.h>
// clang-format on

#include <algorithm>
#include <csetjmp>

#include "lacuna/base/error.h"
#include "lacuna/base/text.h"
#include "picture_formats.h"

namespace lacuna {
namespace {

// A sound progressive file has about ten; each costs a pass over the picture, however few its
// bytes.
constexpr int kMostScans = 200;
constexpr std::string_view kExif("Exif\0\0", 6);

// libjpeg leaves a fault by our longjmp, which must not pass over an object with a destructor. All
// its calls therefore happen within guarded(), whose steps hold plain values only.
class JpegReader {
 public:
  JpegReader(std::string_view bytes, const std::string& path) : bytes_(bytes), path_(path) {
    info_.err = jpeg_std_error(&errors_);
    info_.client_data = this;
    errors_.error_exit = fail;
    errors_.emit_message = warn;
    errors_.output_message = [](j_common_ptr) {};
    progress_.progress_monitor = count_scans;
  }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;
  ~JpegReader() { jpeg_destroy_decompress(&info_); }

  StoredPicture read(const PictureLimits& limits) {
    guarded([this] { read_header(); });
    check_pixels(info_.image_width, info_.image_height, path_, limits);
    guarded([this] { start(); });
    Picture picture{info_.output_width, info_.output_height, info_.output_components, {}};
    while (info_.output_scanline < info_.output_height) {
      read_rows(more_rows(picture, kStripRows));
    }
    if (picture.channels == 4) to_rgb(picture);
    const int turned = orientation();  // jpeg_finish_decompress() forgets it
    guarded([this] { jpeg_finish_decompress(&info_); });
    return {std::move(picture), turned};
  }

 private:
  template <class Step>
  void guarded(const Step& step) {
    if (setjmp(jump_) != 0) throw_fault();
    step();
  }

  void read_header() {
    jpeg_create_decompress(&info_);
    info_.progress = &progress_;
    jpeg_mem_src(&info_, reinterpret_cast<const unsigned char*>(bytes_.data()), bytes_.size());
    jpeg_save_markers(&info_, JPEG_APP0 + 1, 0xFFFF);
    jpeg_read_header(&info_, TRUE);
  }

  void start() {
    switch (info_.jpeg_color_space) {
      case JCS_GRAYSCALE:
        info_.out_color_space = JCS_GRAYSCALE;
        break;
      case JCS_CMYK:
      case JCS_YCCK:
        info_.out_color_space = JCS_CMYK;
        break;
      default:
        info_.out_color_space = JCS_RGB;  // libjpeg refuses what it cannot convert
    }
    jpeg_start_decompress(&info_);
  }

  void read_rows(uint8_t* to) {
    guarded([this, to] {
      const size_t row_bytes = size_t{info_.output_width} * info_.output_components;
      const JDIMENSION end =
          std::min<JDIMENSION>(info_.output_scanline + kStripRows, info_.output_height);
      for (uint8_t* row = to; info_.output_scanline < end; row += row_bytes) {
        jpeg_read_scanlines(&info_, &row, 1);
      }
    });
  }

  // The share of light that the inks leave; Adobe writes that share, others the ink. In place.
  void to_rgb(Picture& picture) const {
    const unsigned invert = info_.saw_Adobe_marker ? 0 : 255;
    const size_t count = picture.pixels.size() / 4;
    uint8_t* pixels = picture.pixels.data();
    for (size_t i = 0; i < count; ++i) {
      const unsigned black = pixels[4 * i + 3] ^ invert;
      for (size_t c = 0; c < 3; ++c) {
        const unsigned light = pixels[4 * i + c] ^ invert;
        pixels[3 * i + c] = static_cast<uint8_t>((light * black + 127) / 255);
      }
    }
    picture.pixels.resize(3 * count);
    picture.channels = 3;
  }

  int orientation() const {
    for (const jpeg_marker_struct* marker = info_.marker_list; marker; marker = marker->next) {
      const std::string_view data(reinterpret_cast<const char*>(marker->data), marker->data_length);
      if (data.starts_with(kExif)) return exif_orientation(data);
    }
    return 1;
  }

  [[noreturn]] static void fail(j_common_ptr info) {
    std::longjmp(static_cast<JpegReader*>(info->client_data)->jump_, 1);
  }

  // Below 0: pixels are missing or guessed.
  static void warn(j_common_ptr info, int level) {
    if (level < 0) fail(info);
  }

  static void count_scans(j_common_ptr info) {
    auto* self = static_cast<JpegReader*>(info->client_data);
    if (self->info_.input_scan_number <= kMostScans) return;
    self->too_many_scans_ = true;
    fail(info);
  }

  [[noreturn]] void throw_fault() {
    const std::string row = info_.output_height > 0 && info_.output_scanline > 0
                                ? str(" (row ", grouped(info_.output_scanline + 1), " of ",
                                      grouped(info_.output_height), ")")
                                : "";
    if (too_many_scans_) {
      throw Error(ErrorKind::kData, path_,
                  str("the JPEG has more than ", kMostScans, " scans, which no camera writes"));
    }
    if (errors_.msg_code == JWRN_JPEG_EOF) {
      throw Error(ErrorKind::kData, path_,
                  str("the JPEG ends early, after ", grouped(std::ssize(bytes_)), " bytes", row),
                  "fetch the file again");
    }
    char message[JMSG_LENGTH_MAX];
    errors_.format_message(reinterpret_cast<j_common_ptr>(&info_), message);
    throw Error(ErrorKind::kData, path_,
                str("the JPEG is damaged near byte ", grouped(position()), row, ": ", message));
  }

  int64_t position() const {
    return std::ssize(bytes_) - (info_.src ? static_cast<int64_t>(info_.src->bytes_in_buffer) : 0);
  }

  std::string_view bytes_;
  const std::string& path_;
  jpeg_decompress_struct info_{};
  jpeg_error_mgr errors_{};
  jpeg_progress_mgr progress_{};
  std::jmp_buf jump_;
  bool too_many_scans_ = false;
};

}  // namespace

StoredPicture decode_jpeg(std::string_view bytes, const std::string& path,
                          const PictureLimits& limits) {
  return JpegReader(bytes, path).read(limits);
}

}  // namespace lacuna
