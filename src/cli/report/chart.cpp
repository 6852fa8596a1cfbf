#include "chart.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "lacuna/base/text.h"
#include "lacuna/cli/curves.h"
#include "page.h"

namespace lacuna::cli {
namespace {

using train::RunRecord;

constexpr double kWidth = 960, kPlotHeight = 380, kBottom = 44;
constexpr double kLeastLeft = 58, kLeastRight = 14, kRoom = 8;  // beside the plot
constexpr double kLegendRow = 20, kLegendTop = 12;
constexpr double kRadius = 3.5, kSmallRadius = 2;  // of marks; small where they are many
constexpr double kWholeTimes = 2;                  // larger where a whole set is among subsets
constexpr Color kInk{0x22, 0x28, 0x30}, kMuted{0x5a, 0x62, 0x6c}, kGrid{0xe4, 0xe6, 0xe9},
    kAxis{0x9a, 0xa1, 0xaa};

// An evaluation of the validation set that judges the run.
struct Mark {
  Point at;
  bool average;
  const train::RecordedEvaluation* evaluation;
};

// Curves in data units: steps or tokens, and bits.
struct Curves {
  std::vector<Point> raw, smooth;  // of the training part
  std::vector<Mark> valid;

  bool any_mark(bool average) const {
    return std::any_of(valid.begin(), valid.end(),
                       [&](const Mark& mark) { return mark.average == average; });
  }
  bool any_limited() const {
    return std::any_of(valid.begin(), valid.end(),
                       [](const Mark& mark) { return mark.evaluation->limited(); });
  }
};

bool by_tokens(const std::vector<RunRecord>& runs) {
  std::set<int64_t> sizes;
  for (const RunRecord& run : runs) {
    if (!run.steps.empty()) sizes.insert(run.steps.back().tokens / run.steps.back().step);
  }
  return sizes.size() > 1;
}

Curves curves_of(const RunRecord& run, bool tokens) {
  std::vector<double> bits;
  for (const auto& step : run.steps) bits.push_back(step.bits);
  const std::vector<double> means = smoothed(bits, smoothing_span(bits.size()));
  double unit = 1;
  if (tokens && !run.steps.empty()) {
    unit =
        static_cast<double>(run.steps.back().tokens) / static_cast<double>(run.steps.back().step);
  }
  Curves curves;
  for (size_t i = 0; i < bits.size(); ++i) {
    const double x = static_cast<double>(run.steps[i].step) * unit;
    if (std::isfinite(bits[i])) curves.raw.push_back({x, bits[i]});
    if (std::isfinite(means[i])) curves.smooth.push_back({x, means[i]});
  }
  const std::string set = judging_set(run);
  for (const auto& evaluation : run.evaluations) {
    if (!std::isfinite(evaluation.bits) || evaluation.step < 1 || evaluation.split != set) continue;
    curves.valid.push_back({{static_cast<double>(evaluation.step) * unit, evaluation.bits},
                            evaluation.weights == "average",
                            &evaluation});
  }
  return curves;
}

struct Range {
  double low = std::numeric_limits<double>::infinity(), high = -low;

  void add(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
};

// What the vertical axis must show: all of what is validated, and of training what comes after the
// first twentieth, or everything where the axis gives the beginning room.
Range bits_range(const std::vector<Curves>& all, const std::vector<RunRecord>& runs, double from) {
  Range range;
  for (const Curves& curves : all) {
    for (const Point& point : curves.smooth) {
      if (point.x >= from) range.add(point.y);
    }
    for (const Mark& mark : curves.valid) range.add(mark.at.y);
  }
  for (const RunRecord& run : runs) {
    if (run.floor_bits()) range.add(*run.floor_bits());
  }
  if (range.low > range.high) range = {0, 1};  // nothing was finite
  const double margin = std::max(0.06 * (range.high - range.low), 1e-3);
  return {std::max(0.0, range.low - margin), range.high + margin};
}

class Chart {
 public:
  Chart(const std::vector<RunRecord>& runs, StepAxis axis)
      : runs_(runs), log_(axis == StepAxis::kLogarithmic), tokens_(by_tokens(runs)) {
    for (const RunRecord& run : runs) {
      curves_.push_back(curves_of(run, tokens_));
      any_limited_ = any_limited_ || curves_.back().any_limited();
    }
    for (const Curves& curves : curves_) {
      for (const Point& point : curves.raw) x_.add(point.x);
      for (const Mark& mark : curves.valid) x_.add(mark.at.x);
    }
    if (x_.low > x_.high) x_ = {1, 2};
    if (!log_) x_.low = 0;
    if (x_.low == x_.high) x_.high = 2 * x_.low;
    y_ = bits_range(curves_, runs, log_ ? 0 : x_.high / 20);
    const double rows = 1 + std::ceil(static_cast<double>(runs.size()) / kLegendColumns);
    make_ticks();
    top_ = kLegendTop + rows * kLegendRow + 8;
    drawing_.width = kWidth;
    drawing_.height = top_ + kPlotHeight + kBottom;
    drawing_.title = unit_text(runs) + " over the course of training";
  }

  Drawing draw() {
    draw_axes();
    draw_floors();
    draw_training();
    for (size_t i = 0; i < runs_.size(); ++i) draw_validation(i);
    draw_legend();
    return std::move(drawing_);
  }

 private:
  static constexpr int kLegendColumns = 2;
  static constexpr double kTitle = 14;  // the base line of the vertical axis' name

  struct Tick {
    double value;
    std::string text;
  };

  // The ticks, and beside the plot the room that their texts need.
  void make_ticks() {
    for (const double bits : even_ticks(y_.low, y_.high, 7)) {
      y_ticks_.push_back({bits, bits_text(bits)});
      left_ = std::max(left_, kTitle + kRoom + tick_width(y_ticks_.back()) + kRoom);
    }
    for (const double x : log_ ? log_ticks(x_.low, x_.high) : even_ticks(x_.low, x_.high, 8)) {
      x_ticks_.push_back({x, count_text(x)});
      right_ = std::min(right_, kWidth - tick_width(x_ticks_.back()) / 2 - kRoom);
    }
  }
  static double tick_width(const Tick& tick) { return text_width({{}, tick.text, kMuted, 12}); }

  double x_at(double value) const {
    const double share = log_ ? std::log(value / x_.low) / std::log(x_.high / x_.low)
                              : (value - x_.low) / (x_.high - x_.low);
    return left_ + share * (right_ - left_);
  }
  double y_at(double bits) const {
    return top_ + (y_.high - bits) / (y_.high - y_.low) * kPlotHeight;
  }
  std::vector<Point> placed(const std::vector<Point>& points) const {
    std::vector<Point> to;
    to.reserve(points.size());
    for (const Point& point : points) to.push_back({x_at(point.x), y_at(point.y)});
    return thinned(to);
  }

  void draw_axes() {
    const double bottom = top_ + kPlotHeight;
    for (const auto& [bits, text] : y_ticks_) {
      const double y = y_at(bits);
      drawing_.add(Line{{{left_, y}, {right_, y}}, kGrid});
      drawing_.add(Label{{left_ - kRoom, y + 4}, text, kMuted, 12, Anchor::kEnd});
    }
    for (const auto& [steps, text] : x_ticks_) {
      const double x = x_at(steps);
      drawing_.add(Line{{{x, bottom}, {x, bottom + 5}}, kAxis});
      drawing_.add(Label{{x, bottom + 18}, text, kMuted, 12, Anchor::kMiddle});
    }
    drawing_.add(Line{{{left_, bottom}, {right_, bottom}}, kAxis});
    const std::string scale = log_ ? ", logarithmic" : "";
    drawing_.add(Label{{(left_ + right_) / 2, bottom + 37},
                       (tokens_ ? "tokens" : "steps") + scale,
                       kInk,
                       12,
                       Anchor::kMiddle});
    drawing_.add(
        Label{{kTitle, top_ + kPlotHeight / 2}, unit_text(runs_), kInk, 12, Anchor::kMiddle, true});
  }

  // A run that diverges can have any number of bits.
  std::string bits_text(double bits) const {
    const double range = y_.high - y_.low;
    if (range > 1e4) return str(bits);
    return fixed(bits, range > 3 ? 1 : range > 0.3 ? 2 : 3);
  }

  // One line for each floor, also when several runs share it.
  void draw_floors() {
    std::set<double> floors;
    for (const RunRecord& run : runs_) {
      if (run.floor_bits()) floors.insert(*run.floor_bits());
    }
    for (const double floor : floors) {
      const double y = y_at(floor);
      drawing_.add(Line{{{left_, y}, {right_, y}}, kInk, 1, 5});
      drawing_.add(Label{{left_ + 6, y - 6}, "floor of the source: " + fixed(floor, 4), kInk, 12});
    }
  }

  void draw_training() {
    // The more curves cover one another, the fainter those of single steps.
    const double faintness = runs_.size() > 1 ? 0.16 : 0.28;
    Clip plot{left_, top_, right_ - left_, kPlotHeight, {}};
    for (size_t i = 0; i < runs_.size(); ++i) {
      plot.lines.push_back({placed(curves_[i].raw), run_color(i).with_opacity(faintness)});
    }
    for (size_t i = 0; i < runs_.size(); ++i) {
      plot.lines.push_back({placed(curves_[i].smooth), run_color(i), 1.8});
    }
    drawing_.add(std::move(plot));
  }

  void draw_validation(size_t index) {
    const Curves& curves = curves_[index];
    const RunRecord& run = runs_[index];
    for (const bool average : {false, true}) {
      const auto marks = std::count_if(curves.valid.begin(), curves.valid.end(),
                                       [&](const Mark& mark) { return mark.average == average; });
      const double radius = marks > 60 ? kSmallRadius : kRadius;
      for (const Mark& mark : curves.valid) {
        if (mark.average != average) continue;
        const bool large = any_limited_ && !mark.evaluation->limited();
        drawing_.add(
            Dot{{x_at(mark.at.x), y_at(mark.at.y)},
                large ? radius * kWholeTimes : radius,
                run_color(index),
                average,
                str(run.folder, ": ", fixed(mark.at.y, 4), ' ', run.unit.bits(), " on ",
                    set_text(mark.evaluation->split), subset_text(*mark.evaluation), ", ",
                    average ? "averaged" : "raw", " weights, ", tokens_ ? "token " : "step ",
                    grouped(static_cast<int64_t>(mark.at.x)))});
      }
    }
  }

  void draw_legend() {
    double x = left_;
    const double y = kLegendTop + 4;
    const auto entry = [&](const std::string& text) {
      drawing_.add(Label{{x + 30, y + 4}, text, kMuted, 12});
      x += 30 + 6.0 * static_cast<double>(text.size()) + 22;
    };
    drawing_.add(Line{{{x, y}, {x + 24, y}}, kMuted, 1.8});
    entry("training, smoothed");
    drawing_.add(Line{{{x, y}, {x + 6, y - 5}, {x + 12, y + 4}, {x + 18, y - 3}, {x + 24, y + 2}},
                      kMuted.with_opacity(0.45)});
    entry("each step");
    const auto any = [&](const auto& has) {
      return std::any_of(curves_.begin(), curves_.end(), has);
    };
    if (any([](const Curves& curves) { return curves.any_mark(false); })) {
      drawing_.add(Dot{{x + 14, y}, kRadius, kMuted, false, ""});
      entry("validation, raw weights");
    }
    if (any([](const Curves& curves) { return curves.any_mark(true); })) {
      drawing_.add(Dot{{x + 14, y}, kRadius, kMuted, true, ""});
      entry("validation, averaged weights");
    }
    if (any_limited_) {
      drawing_.add(Dot{{x + 14, y}, kRadius * kWholeTimes, kMuted, true, ""});
      entry("large: whole, small: subset");
    }
    for (size_t i = 0; i < runs_.size(); ++i) draw_name(i);
  }

  void draw_name(size_t index) {
    const double column = static_cast<double>(index % kLegendColumns);
    const double width = (right_ - left_) / kLegendColumns;
    const double x = left_ + column * width;
    const double y =
        kLegendTop + 4 + kLegendRow * (1 + std::floor(static_cast<double>(index) / kLegendColumns));
    drawing_.add(Line{{{x, y}, {x + 24, y}}, run_color(index), 4});
    Label name{{x + 30, y + 4}, runs_[index].folder, kInk, 12};
    name.text = fitted(name, width - 30 - kRoom);
    drawing_.add(std::move(name));
  }

  const std::vector<RunRecord>& runs_;
  bool log_, tokens_;
  std::vector<Curves> curves_;
  bool any_limited_ = false;
  Range x_, y_;
  std::vector<Tick> x_ticks_, y_ticks_;
  double left_ = kLeastLeft, right_ = kWidth - kLeastRight, top_ = 0;
  Drawing drawing_;
};

}  // namespace

Color run_color(size_t index) {
  // Told apart by people with the common color blindnesses, and dark enough on white.
  static constexpr Color kColors[] = {{0x1b, 0x62, 0xa5}, {0xd0, 0x5f, 0x0b}, {0x13, 0x80, 0x5e},
                                      {0x94, 0x3f, 0x8e}, {0x7a, 0x6a, 0x00}, {0xb8, 0x2d, 0x3e},
                                      {0x2a, 0x8f, 0xa8}, {0x55, 0x55, 0x55}};
  return kColors[index % std::size(kColors)];
}

Drawing draw_chart(const std::vector<RunRecord>& runs, StepAxis axis) {
  return Chart(runs, axis).draw();
}

}  // namespace lacuna::cli
