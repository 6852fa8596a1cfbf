// The only source that includes cairo.
#include <cairo.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numbers>

#include "lacuna/base/error.h"
#include "lacuna/base/files.h"
#include "lacuna/base/text.h"
#include "lacuna/io/drawing.h"

#ifdef __SANITIZE_ADDRESS__
// fontconfig, which cairo asks for letters, ends without giving all its memory back.
// NOLINTBEGIN(bugprone-reserved-identifier)
extern "C" const char* __lsan_default_suppressions() {
  return "leak:libfontconfig";
}
extern "C" const char* __lsan_default_options() {
  return "print_suppressions=0";
}
// NOLINTEND(bugprone-reserved-identifier)
#endif

namespace lacuna {
namespace {

using Surface = std::unique_ptr<cairo_surface_t, decltype(&cairo_surface_destroy)>;
using Context = std::unique_ptr<cairo_t, decltype(&cairo_destroy)>;

// Sets the letters of a label, and says how wide it becomes.
double set_letters(cairo_t* to, const Label& label, const std::string& text) {
  cairo_select_font_face(to, "sans-serif", CAIRO_FONT_SLANT_NORMAL,
                         label.bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
  cairo_set_font_size(to, label.size);
  cairo_text_extents_t size;
  cairo_text_extents(to, text.c_str(), &size);
  return size.x_advance;
}

class Painter {
 public:
  explicit Painter(cairo_t* to) : to_(to) {}

  void operator()(const Line& line) const {
    if (line.points.empty()) return;
    cairo_new_path(to_);
    for (const Point& point : line.points) cairo_line_to(to_, point.x, point.y);
    cairo_set_dash(to_, &line.dash, line.dash > 0 ? 1 : 0, 0);
    cairo_set_line_width(to_, line.width);
    cairo_set_line_join(to_, CAIRO_LINE_JOIN_ROUND);
    choose(line.color);
    cairo_stroke(to_);
    cairo_set_dash(to_, nullptr, 0, 0);
  }

  void operator()(const Box& box) const {
    cairo_rectangle(to_, box.x, box.y, box.width, box.height);
    choose(box.fill);
    cairo_fill(to_);
  }

  void operator()(const Dot& dot) const {
    cairo_new_path(to_);
    cairo_arc(to_, dot.center.x, dot.center.y, dot.radius, 0, 2 * std::numbers::pi);
    choose(dot.filled ? dot.color : Color{255, 255, 255});
    cairo_fill_preserve(to_);
    choose(dot.color);
    cairo_set_line_width(to_, 1.5);
    cairo_stroke(to_);
  }

  void operator()(const Label& label) const {
    const std::string text = printable(label.text);
    const double width = set_letters(to_, label, text);
    const double shares[] = {0, 0.5, 1};
    cairo_save(to_);
    cairo_translate(to_, label.at.x, label.at.y);
    if (label.upward) cairo_rotate(to_, -std::numbers::pi / 2);
    cairo_move_to(to_, -shares[static_cast<size_t>(label.anchor)] * width, 0);
    choose(label.color);
    cairo_show_text(to_, text.c_str());
    cairo_restore(to_);
  }

  void operator()(const Clip& clip) const {
    cairo_save(to_);
    cairo_rectangle(to_, clip.x, clip.y, clip.width, clip.height);
    cairo_clip(to_);
    for (const Line& line : clip.lines) (*this)(line);
    cairo_restore(to_);
  }

 private:
  void choose(const Color& color) const {
    cairo_set_source_rgba(to_, color.red / 255.0, color.green / 255.0, color.blue / 255.0,
                          color.opacity);
  }

  cairo_t* to_;
};

cairo_status_t append(void* text, const unsigned char* bytes, unsigned int size) {
  static_cast<std::string*>(text)->append(reinterpret_cast<const char*>(bytes), size);
  return CAIRO_STATUS_SUCCESS;
}

void check(cairo_status_t status, const std::string& path) {
  if (status == CAIRO_STATUS_SUCCESS) return;
  throw Error(ErrorKind::kIo, path,
              str("the picture could not be drawn: ", cairo_status_to_string(status)));
}

}  // namespace

double text_width(const Label& label) {
  const Surface surface(cairo_image_surface_create(CAIRO_FORMAT_RGB24, 1, 1),
                        cairo_surface_destroy);
  const Context context(cairo_create(surface.get()), cairo_destroy);
  cairo_scale(context.get(), 2, 2);  // widths are rounded to picture elements
  return set_letters(context.get(), label, printable(label.text));
}

std::string fitted(const Label& label, double width) {
  const std::string text = printable(label.text);
  if (text_width(label) <= width) return text;
  std::vector<size_t> starts;  // of its characters
  for (size_t i = 0; i < text.size(); ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xC0) != 0x80) starts.push_back(i);
  }
  starts.push_back(text.size());
  const auto cut = [&](size_t at) { return "..." + text.substr(at); };
  const auto first = std::partition_point(starts.begin(), starts.end() - 1, [&](size_t at) {
    Label shorter = label;
    shorter.text = cut(at);
    return text_width(shorter) > width;
  });
  return cut(*first);
}

void write_png(const std::string& path, const Drawing& drawing, double scale) {
  const Surface surface(cairo_image_surface_create(
                            CAIRO_FORMAT_RGB24, static_cast<int>(std::ceil(drawing.width * scale)),
                            static_cast<int>(std::ceil(drawing.height * scale))),
                        cairo_surface_destroy);
  const Context context(cairo_create(surface.get()), cairo_destroy);
  cairo_set_source_rgb(context.get(), 1, 1, 1);
  cairo_paint(context.get());
  cairo_scale(context.get(), scale, scale);
  const Painter painter(context.get());
  for (const DrawnShape& shape : drawing.shapes) std::visit(painter, shape);
  check(cairo_status(context.get()), path);
  std::string png;
  check(cairo_surface_write_to_png_stream(surface.get(), append, &png), path);
  write_atomic(path, png);
}

}  // namespace lacuna
