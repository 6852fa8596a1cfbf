#include "lacuna/io/drawing.h"

#include <algorithm>

namespace lacuna {
namespace {

// Moves shapes down.
struct Lowering {
  double by;

  void operator()(Line& line) const {
    for (Point& point : line.points) point.y += by;
  }
  void operator()(Box& box) const { box.y += by; }
  void operator()(Dot& dot) const { dot.center.y += by; }
  void operator()(Label& label) const { label.at.y += by; }
  void operator()(Clip& clip) const {
    clip.y += by;
    for (Line& line : clip.lines) (*this)(line);
  }
};

}  // namespace

Drawing one_below_another(const std::vector<Drawing>& drawings) {
  Drawing all;
  for (const Drawing& drawing : drawings) {
    if (all.shapes.empty()) all.title = drawing.title;
    for (DrawnShape shape : drawing.shapes) {
      std::visit(Lowering{all.height}, shape);
      all.add(std::move(shape));
    }
    all.width = std::max(all.width, drawing.width);
    all.height += drawing.height;
  }
  return all;
}

}  // namespace lacuna
