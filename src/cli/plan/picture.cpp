// The curve of a plan: seconds of a step over the bytes that it may take.
#include <algorithm>

#include "lacuna/base/text.h"
#include "lacuna/cli/curves.h"
#include "page.h"

namespace lacuna::cli {
namespace {

constexpr double kWidth = 720, kHeight = 400, kLeft = 84, kRight = 700, kTop = 44, kBottom = 350;
constexpr Color kInk{0x22, 0x28, 0x30}, kMuted{0x5a, 0x62, 0x6c}, kGrid{0xe4, 0xe6, 0xe9},
    kAxis{0x9a, 0xa1, 0xaa}, kCurve{0x1b, 0x62, 0xa5}, kChosen{0xd0, 0x5f, 0x0b};

class Picture {
 public:
  explicit Picture(const PlanPage& page) : page_(page) {
    size_t most_bytes = page.chosen.bytes;
    double most = page.chosen.seconds;
    for (const CurvePoint& point : page.curve) {
      most_bytes = std::max(most_bytes, point.bytes);
      most = std::max(most, point.seconds);
    }
    unit_ = most_bytes >= (size_t{1} << 30) ? 0x1p30 : 0x1p20;
    x_high_ = 1.04 * static_cast<double>(most_bytes) / unit_;
    scale_ = most < 1 ? 1e3 : 1;
    y_high_ = 1.08 * scale_ * most;
  }

  Drawing draw() {
    drawing_ = {
        .width = kWidth, .height = kHeight, .title = "time of a step over memory", .shapes = {}};
    draw_axes();
    Line line{{}, kCurve, 1.8};
    for (const CurvePoint& point : page_.curve) line.points.push_back(at(point));
    drawing_.add(line);
    for (const CurvePoint& point : page_.curve) {
      drawing_.add(Dot{at(point), 3, kCurve, true, human_bytes(point.bytes)});
    }
    drawing_.add(Dot{at(page_.chosen), 6, kChosen, false, "the plan of this budget"});
    Label title{{kLeft, 24}, str(page_.config_file, " on ", page_.target.name), kInk, 13};
    title.text = fitted(title, kRight - kLeft);
    drawing_.add(title);
    return std::move(drawing_);
  }

 private:
  double x_at(double value) const { return kLeft + value / x_high_ * (kRight - kLeft); }
  double y_at(double value) const { return kBottom - value / y_high_ * (kBottom - kTop); }
  Point at(const CurvePoint& point) const {
    return {x_at(static_cast<double>(point.bytes) / unit_), y_at(scale_ * point.seconds)};
  }

  void draw_axes() {
    for (const double value : even_ticks(0, y_high_, 6)) {
      drawing_.add(Line{{{kLeft, y_at(value)}, {kRight, y_at(value)}}, kGrid});
      drawing_.add(Label{{kLeft - 8, y_at(value) + 4}, tick_text(value), kMuted, 12, Anchor::kEnd});
    }
    for (const double value : even_ticks(0, x_high_, 8)) {
      drawing_.add(Line{{{x_at(value), kBottom}, {x_at(value), kBottom + 5}}, kAxis});
      drawing_.add(
          Label{{x_at(value), kBottom + 18}, tick_text(value), kMuted, 12, Anchor::kMiddle});
    }
    drawing_.add(Line{{{kLeft, kBottom}, {kRight, kBottom}}, kAxis});
    drawing_.add(Label{{(kLeft + kRight) / 2, kBottom + 38},
                       str("memory of the process, ", unit_ == 0x1p30 ? "GiB" : "MiB"),
                       kInk,
                       12,
                       Anchor::kMiddle});
    drawing_.add(Label{{18, (kTop + kBottom) / 2},
                       scale_ == 1 ? "seconds a step" : "milliseconds a step",
                       kInk,
                       12,
                       Anchor::kMiddle,
                       true});
  }
  static std::string tick_text(double value) {
    return value >= 100 || value == static_cast<double>(static_cast<int64_t>(value))
               ? grouped(static_cast<int64_t>(value))
               : fixed(value, value < 1 ? 2 : 1);
  }

  const PlanPage& page_;
  double unit_ = 1, x_high_ = 1, scale_ = 1, y_high_ = 1;
  Drawing drawing_;
};

}  // namespace

Drawing page_picture(const PlanPage& page) {
  return Picture(page).draw();
}

}  // namespace lacuna::cli
