// Where in pictures the bits are: a map of the pixels, and curves over the rows beside it.
#include <algorithm>
#include <cmath>
#include <functional>

#include "eval_report.h"
#include "lacuna/base/text.h"
#include "lacuna/cli/curves.h"

namespace lacuna::cli {
namespace {

constexpr double kSide = 320;  // of a map, at most, and the width of the curves
constexpr double kEdge = 20, kTitle = 44, kLeft = 44, kGap = 112, kBelow = 56;
constexpr double kScaleBar = 12;  // the width of the scale of colors
constexpr Color kInk{0x22, 0x28, 0x30}, kMuted{0x5a, 0x62, 0x6c}, kGrid{0xe4, 0xe6, 0xe9},
    kAxis{0x9a, 0xa1, 0xaa};

struct Range {
  double low = 0, high = 1;
  double share(double value) const { return std::clamp((value - low) / (high - low), 0.0, 1.0); }
};

// All but a hundredth at either end, or the first pixel, which is guessed from nothing, would leave
// the others one color.
Range range_of(std::vector<double> values, double left_out) {
  std::erase_if(values, [](double value) { return !std::isfinite(value); });
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  const auto last = static_cast<double>(values.size() - 1);
  const Range range{values[static_cast<size_t>(left_out * last)],
                    values[static_cast<size_t>(std::ceil((1 - left_out) * last))]};
  const double least = 1e-3;  // of equal values, too, some range
  return range.high - range.low >= least ? range : Range{range.low - least, range.low + least};
}

// From pale to dark blue; grey where it is no number.
Color shade(double share) {
  if (!std::isfinite(share)) return {0x80, 0x80, 0x80};
  const auto mixed = [&](int pale, int dark) {
    return static_cast<uint8_t>(std::lround(pale + (dark - pale) * share));
  };
  return {mixed(0xf1, 0x0d), mixed(0xf4, 0x2c), mixed(0xf8, 0x63)};
}

std::vector<Color> channel_colors(int64_t channels) {
  if (channels == 3) return {{0xc6, 0x28, 0x28}, {0x1b, 0x80, 0x3c}, {0x1b, 0x62, 0xa5}};
  return std::vector<Color>(static_cast<size_t>(channels), kMuted);
}

// One part.
class Strip {
 public:
  Strip(Drawing& drawing, double top, const EvalScore& score, const Medium& medium)
      : drawing_(drawing),
        rows_(medium.shape()[0]),
        columns_(medium.shape()[1]),
        channels_(medium.shape()[2]),
        unit_(medium.unit().bits()),
        bits_(shape_bits(score, medium)),
        cell_(cell_size(medium)),
        x_(kEdge + kLeft),
        y_(top + kTitle),
        height_(cell_ * static_cast<double>(rows_)) {}

  static double height(const Medium& medium) {
    return kTitle + cell_size(medium) * static_cast<double>(medium.shape()[0]) + kBelow;
  }
  static double width(const Medium& medium) {
    return 2 * kEdge + kLeft + cell_size(medium) * static_cast<double>(medium.shape()[1]) + kGap +
           kSide;
  }

  void draw() {
    draw_map();
    draw_curves();
  }

 private:
  // Whole units where that is possible, so that edges are sharp.
  static double cell_size(const Medium& medium) {
    const double cell = kSide / static_cast<double>(std::max(medium.shape()[0], medium.shape()[1]));
    return cell > 1 ? std::floor(cell) : cell;
  }

  void draw_map() {
    const Range range = range_of(bits_.pixels, 0.01);
    for (int64_t row = 0; row < rows_; ++row) {
      for (int64_t column = 0; column < columns_; ++column) {
        const double bits = bits_.pixels[static_cast<size_t>(row * columns_ + column)];
        drawing_.add(Box{x_ + static_cast<double>(column) * cell_,
                         y_ + static_cast<double>(row) * cell_, cell_, cell_,
                         shade(range.share(bits))});
      }
    }
    const double right = x_ + cell_ * static_cast<double>(columns_);
    drawing_.add(Label{{(x_ + right) / 2, y_ + height_ + 18},
                       "pixels, mean of the channels",
                       kMuted,
                       12,
                       Anchor::kMiddle});
    for (const double row : even_ticks(0, static_cast<double>(rows_ - 1), 8)) {
      drawing_.add(Label{{x_ - 8, row_at(row) + 4}, fixed(row, 0), kMuted, 12, Anchor::kEnd});
    }
    drawing_.add(Label{{kEdge + 8, y_ + height_ / 2}, "row", kInk, 12, Anchor::kMiddle, true});
    draw_scale(right + 16, range);
  }

  void draw_scale(double x, const Range& range) {
    constexpr int kSteps = 64;
    const double step = height_ / kSteps;
    for (int i = 0; i < kSteps; ++i) {
      drawing_.add(Box{x, y_ + i * step, kScaleBar, step, shade(1 - (i + 0.5) / kSteps)});
    }
    const double from = x + kScaleBar + 5;
    drawing_.add(Label{{from, y_ + 9}, fixed(range.high, 2), kMuted, 12});
    drawing_.add(Label{{from, y_ + 23}, "or more", kMuted, 10});
    drawing_.add(Label{{from, y_ + height_ - 13}, fixed(range.low, 2), kMuted, 12});
    drawing_.add(Label{{from, y_ + height_ - 1}, "or less", kMuted, 10});
  }

  double row_at(double row) const { return y_ + (row + 0.5) * cell_; }

  // Bits to the right, rows downward as in the map.
  void draw_curves() {
    const double left = x_ + cell_ * static_cast<double>(columns_) + kGap;
    std::vector<double> all = bits_.row_channels;
    all.insert(all.end(), bits_.rows.begin(), bits_.rows.end());
    const Range range = range_of(all, 0);
    const auto x_at = [&](double bits) { return left + range.share(bits) * kSide; };
    const double bottom = y_ + height_;
    for (const double tick : even_ticks(range.low, range.high, 6)) {
      drawing_.add(Line{{{x_at(tick), y_}, {x_at(tick), bottom}}, kGrid});
      const int digits = range.high - range.low > 3 ? 1 : range.high - range.low > 0.3 ? 2 : 3;
      drawing_.add(
          Label{{x_at(tick), bottom + 18}, fixed(tick, digits), kMuted, 12, Anchor::kMiddle});
    }
    drawing_.add(Line{{{left, y_}, {left, bottom}, {left + kSide, bottom}}, kAxis});
    drawing_.add(Label{{left + kSide / 2, bottom + 36}, unit_, kInk, 12, Anchor::kMiddle});
    double legend = left;
    const auto curve = [&](const std::string& name, const Color& color, double width,
                           const std::function<double(size_t)>& bits) {
      Line line{{}, color, width};
      for (size_t row = 0; row < static_cast<size_t>(rows_); ++row) {
        if (!std::isfinite(bits(row))) continue;
        line.points.push_back({x_at(bits(row)), row_at(static_cast<double>(row))});
      }
      drawing_.add(std::move(line));
      drawing_.add(Line{{{legend, y_ - 10}, {legend + 18, y_ - 10}}, color, width});
      const Label label{{legend + 23, y_ - 6}, name, kMuted, 12};
      legend += 23 + text_width(label) + 16;
      drawing_.add(label);
    };
    const auto channels = static_cast<size_t>(channels_);
    const std::vector<std::string> names = channel_names(channels_);
    const std::vector<Color> colors = channel_colors(channels_);
    for (size_t c = 0; c < (channels > 1 ? channels : 0); ++c) {
      curve(names[c], colors[c], 1.4,
            [&](size_t row) { return bits_.row_channels[row * channels + c]; });
    }
    curve(channels > 1 ? "all" : names.front(), kInk, 2.2,
          [&](size_t row) { return bits_.rows[row]; });
  }

  Drawing& drawing_;
  int64_t rows_, columns_, channels_;
  std::string unit_;
  ShapeBits bits_;
  double cell_, x_, y_, height_;
};

}  // namespace

Drawing draw_places(const EvalReport& report) {
  const Medium& medium = report.run().medium();
  Drawing drawing;
  drawing.width = Strip::width(medium);
  drawing.title = medium.unit().bits() + " at each place of a picture";
  for (const EvalPart& part : report.parts) {
    const EvalScore& score = part.scores.back();
    const train::Evaluation& found = score.evaluation;
    const std::string of =
        found.limited() ? " of " + grouped(found.windows_in_part) + ", a subset" : "";
    Label title{{kEdge, drawing.height + 20},
                str(part.name, ": ", fixed(found.bits, 4), ' ', medium.unit().bits(), ", ",
                    name_of(report.models[part.scores.size() - 1].weights), " weights, ",
                    grouped(found.windows), found.windows == 1 ? " picture" : " pictures", of),
                kInk,
                13,
                Anchor::kStart,
                false,
                true};
    title.text = fitted(title, drawing.width - 2 * kEdge);
    drawing.add(std::move(title));
    Strip(drawing, drawing.height, score, medium).draw();
    drawing.height += Strip::height(medium);
  }
  return drawing;
}

}  // namespace lacuna::cli
