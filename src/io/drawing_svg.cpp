#include <cmath>

#include "lacuna/base/text.h"
#include "lacuna/io/drawing.h"

namespace lacuna {
namespace {

// Hundredths are finer than any screen.
std::string number(double value) {
  std::string text = fixed(value, 2);
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  return text == "-0" ? "0" : text;
}

std::string attribute(const char* name, const std::string& value) {
  return str(' ', name, "=\"", value, '"');
}

std::string attribute(const char* name, double value) {
  return attribute(name, number(value));
}

std::string paint(const char* what, const Color& color) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string code = "#";
  for (const uint8_t part : {color.red, color.green, color.blue}) {
    code += kDigits[part / 16];
    code += kDigits[part % 16];
  }
  std::string text = attribute(what, code);
  if (color.opacity < 1) text += attribute(str(what, "-opacity").c_str(), color.opacity);
  return text;
}

class Writer {
 public:
  explicit Writer(const std::string& name) : name_(name) {}

  void operator()(const Line& line) {
    std::string points;
    for (const Point& point : line.points) {
      points += str(points.empty() ? "" : " ", number(point.x), ',', number(point.y));
    }
    text_ += "<polyline" + attribute("points", points) + " fill=\"none\"" +
             paint("stroke", line.color) + attribute("stroke-width", line.width) +
             " stroke-linejoin=\"round\"";
    if (line.dash > 0) text_ += attribute("stroke-dasharray", line.dash);
    text_ += "/>\n";
  }

  void operator()(const Box& box) {
    text_ += "<rect" + attribute("x", box.x) + attribute("y", box.y) +
             attribute("width", box.width) + attribute("height", box.height) +
             paint("fill", box.fill) + "/>\n";
  }

  void operator()(const Dot& dot) {
    text_ += "<circle" + attribute("cx", dot.center.x) + attribute("cy", dot.center.y) +
             attribute("r", dot.radius) + paint("fill", dot.filled ? dot.color : kWhite) +
             paint("stroke", dot.color) + attribute("stroke-width", kOutline);
    text_ +=
        dot.note.empty() ? "/>\n" : "><title>" + markup_escaped(dot.note) + "</title></circle>\n";
  }

  void operator()(const Label& label) {
    const char* anchors[] = {"start", "middle", "end"};
    text_ += "<text" + attribute("x", label.at.x) + attribute("y", label.at.y) +
             attribute("font-size", label.size) +
             attribute("text-anchor", anchors[static_cast<size_t>(label.anchor)]) +
             paint("fill", label.color);
    if (label.bold) text_ += " font-weight=\"bold\"";
    if (label.upward) {
      text_ += attribute("transform",
                         str("rotate(-90 ", number(label.at.x), ' ', number(label.at.y), ')'));
    }
    text_ += '>' + markup_escaped(label.text) + "</text>\n";
  }

  void operator()(const Clip& clip) {
    const std::string id = str(name_, "-clip", clips_++);
    text_ += "<clipPath" + attribute("id", id) + "><rect" + attribute("x", clip.x) +
             attribute("y", clip.y) + attribute("width", clip.width) +
             attribute("height", clip.height) + "/></clipPath>\n<g" +
             attribute("clip-path", "url(#" + id + ")") + ">\n";
    for (const Line& line : clip.lines) (*this)(line);
    text_ += "</g>\n";
  }

  const std::string& text() const { return text_; }

 private:
  static constexpr Color kWhite{255, 255, 255};
  static constexpr double kOutline = 1.5;

  const std::string& name_;
  int clips_ = 0;
  std::string text_;
};

}  // namespace

std::string svg_text(const Drawing& drawing, const std::string& name) {
  Writer writer(name);
  for (const DrawnShape& shape : drawing.shapes) std::visit(writer, shape);
  return "<svg" +
         attribute("viewBox", str("0 0 ", number(drawing.width), ' ', number(drawing.height))) +
         attribute("width", drawing.width) + attribute("height", drawing.height) + " role=\"img\"" +
         attribute("aria-label", markup_escaped(drawing.title)) + ">\n" + writer.text() +
         "</svg>\n";
}

std::string markup_escaped(std::string_view text) {
  std::string escaped;
  for (const char byte : printable(text)) {
    switch (byte) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default:
        escaped += byte;
    }
  }
  return escaped;
}

}  // namespace lacuna
