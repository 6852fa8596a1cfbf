// Line drawings with text, kept as a list of shapes: written as SVG for a page and as a PNG file,
// so that both show the same.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace lacuna {

struct Color {
  uint8_t red = 0, green = 0, blue = 0;
  double opacity = 1;  // 0 .. 1

  Color with_opacity(double value) const { return {red, green, blue, value}; }
};

struct Point {
  double x, y;
};

/// A path through the points, with round joins.
struct Line {
  std::vector<Point> points;
  Color color;
  double width = 1;
  double dash = 0;  // length of dashes and gaps; 0: solid
};

struct Box {
  double x, y, width, height;
  Color fill;
};

struct Dot {
  Point center;
  double radius;
  Color color;
  bool filled = true;  // otherwise white with an outline
  std::string note;    // shown in a page when the pointer rests on it
};

enum class Anchor : uint8_t { kStart, kMiddle, kEnd };

/// Text on one line; `at` is on its base line. Any bytes; what is no UTF-8 becomes U+FFFD.
struct Label {
  Point at;
  std::string text;
  Color color;
  double size = 12;
  Anchor anchor = Anchor::kStart;
  bool upward = false;  // turned to the left by 90 degrees
  bool bold = false;
};

/// Lines of which only what lies within the box is drawn.
struct Clip {
  double x, y, width, height;
  std::vector<Line> lines;
};

using DrawnShape = std::variant<Line, Box, Dot, Label, Clip>;

/// Later shapes cover earlier ones; x to the right, y down; one unit is a CSS pixel.
struct Drawing {
  double width = 0, height = 0;
  std::string title;  // for readers that do not see
  std::vector<DrawnShape> shapes;

  template <class Shape>
  void add(Shape shape) {
    shapes.emplace_back(std::move(shape));
  }
};

/// Several drawings as one, the first on top; titled as the first.
Drawing one_below_another(const std::vector<Drawing>& drawings);

/// An <svg> element for an HTML page; `name` (letters only) tells its inner names from those of
/// other drawings of the page.
std::string svg_text(const Drawing& drawing, const std::string& name);

/// On white, `scale` picture elements a unit, opaque, by way of a temporary file. Throws
/// Error(kIo).
void write_png(const std::string& path, const Drawing& drawing, double scale);

/// Units from the label's beginning to its end, as write_png() sets it with a scale of 2; other
/// scales round otherwise, and what shows an SVG chooses its own letters, so leave them some room.
double text_width(const Label& label);

/// The label's text as printable() has it, or "..." and as much of its end as fits in `width`.
std::string fitted(const Label& label, double width);

/// Characters with a meaning in HTML and XML escaped, everything else as printable() has it; fits
/// text and quoted attributes.
std::string markup_escaped(std::string_view text);

}  // namespace lacuna
