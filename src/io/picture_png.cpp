// The only source that includes libpng.
#include <png.h>

#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <cstring>

#include "lacuna/base/error.h"
#include "lacuna/base/text.h"
#include "picture_formats.h"

namespace lacuna {
namespace {

// libpng leaves a fault by longjmp, which must not pass over an object with a destructor. All calls
// of libpng that may do so therefore happen within guarded(), whose steps hold plain values only.
class PngReader {
 public:
  PngReader(std::string_view bytes, const std::string& path) : bytes_(bytes), path_(path) {}
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }

  StoredPicture read(const PictureLimits& limits) {
    guarded([this] { start(); });
    require(info_ != nullptr, "decode_png", "libpng could not be started");
    guarded([this] { png_read_info(png_, info_); });
    const int64_t width = png_get_image_width(png_, info_);
    height_ = png_get_image_height(png_, info_);
    check_pixels(width, height_, path_, limits);
    guarded([this] { choose_conversions(); });
    Picture picture{width, height_, png_get_channels(png_, info_), {}};
    read_pixels(picture);
    guarded([this] { png_read_end(png_, nullptr); });
    return {std::move(picture), orientation()};
  }

 private:
  template <class Step>
  void guarded(const Step& step) {
    if (setjmp(jump_) != 0) throw_fault();
    step();
  }

  void start() {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, fail, ignore);
    if (png_ == nullptr) return;
    png_set_read_fn(png_, this, take);
    png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);  // check_pixels() has its own
    // What does not make pixels is passed over: libpng would take the memory that it claims.
    png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
    info_ = png_create_info_struct(png_);
  }

  void choose_conversions() {
    png_set_expand(png_);  // palettes, 1 to 4 bits, transparent colours
    png_set_scale_16(png_);
    passes_ = png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
  }

  void read_pixels(Picture& picture) {
    if (passes_ == 1) {
      while (row_ < height_) read_rows(more_rows(picture, kStripRows), kStripRows);
      return;
    }
    uint8_t* pixels = more_rows(picture, height_);  // each pass goes over all of it
    for (int pass = 0; pass < passes_; ++pass) {
      row_ = 0;
      read_rows(pixels, height_);
    }
  }

  void read_rows(uint8_t* to, int64_t rows) {
    const int64_t end = std::min(row_ + rows, height_);
    guarded([this, to, end] {
      const size_t row_bytes = png_get_rowbytes(png_, info_);
      for (uint8_t* row = to; row_ < end; ++row_, row += row_bytes) {
        png_read_row(png_, row, nullptr);
      }
    });
  }

  int orientation() const {
    const std::string_view data = png_chunk_data(bytes_, "eXIf");
    return data.empty() ? 1 : exif_orientation(std::string("Exif\0\0", 6).append(data));
  }

  static void take(png_structp png, png_bytep to, size_t count) {
    auto* self = static_cast<PngReader*>(png_get_io_ptr(png));
    if (count > self->bytes_.size() - self->at_) {
      self->ended_ = true;
      png_error(png, "");
    }
    std::memcpy(to, self->bytes_.data() + self->at_, count);
    self->at_ += count;
  }

  [[noreturn]] static void fail(png_structp png, png_const_charp message) {
    auto* self = static_cast<PngReader*>(png_get_error_ptr(png));
    std::snprintf(self->message_, sizeof self->message_, "%s", message);
    std::longjmp(self->jump_, 1);
  }

  static void ignore(png_structp /*png*/, png_const_charp /*message*/) {}

  [[noreturn]] void throw_fault() const {
    const std::string row =
        height_ > 0 ? str(" (row ", grouped(row_ + 1), " of ", grouped(height_), ")") : "";
    if (ended_) {
      throw Error(ErrorKind::kData, path_,
                  str("the PNG ends early, after ", grouped(std::ssize(bytes_)), " bytes", row),
                  "fetch the file again");
    }
    throw Error(ErrorKind::kData, path_,
                str("the PNG is damaged before byte ", grouped(at_), row, ": ", message_));
  }

  std::string_view bytes_;
  const std::string& path_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  std::jmp_buf jump_;
  char message_[256] = "";
  bool ended_ = false;
  int64_t at_ = 0;  // bytes that libpng has taken
  int64_t row_ = 0, height_ = 0;
  int passes_ = 1;
};

}  // namespace

StoredPicture decode_png(std::string_view bytes, const std::string& path,
                         const PictureLimits& limits) {
  return PngReader(bytes, path).read(limits);
}

std::string encode_png(const Picture& picture) {
  const int64_t channels = picture.channels;
  require(channels == 1 || channels == 3 || channels == 4, "encode_png",
          "the picture has other channels than 1, 3 or 4");
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(picture.width);
  image.height = static_cast<png_uint_32>(picture.height);
  image.format = channels == 1 ? PNG_FORMAT_GRAY : channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_RGBA;
  require(picture.width > 0 && picture.height > 0 &&
              std::ssize(picture.pixels) == picture.width * picture.height * channels,
          "encode_png", "the picture's pixels are not those of its size");
  const png_alloc_size_t rows = picture.pixels.size() + image.height;  // with each row's filter
  std::string png(PNG_IMAGE_PNG_SIZE_MAX_(image, PNG_ZLIB_MAX_SIZE(rows)), '\0');
  png_alloc_size_t size = png.size();
  const bool written =
      png_image_write_to_memory(&image, png.data(), &size, 0, picture.pixels.data(), 0, nullptr);
  require(written, "encode_png", image.message);
  png.resize(size);
  return png;
}

}  // namespace lacuna
