// Patterns as text and as a picture: a cell is as dark as the share of its pairs that attend.
#include <algorithm>
#include <cmath>

#include "inspect.h"
#include "lacuna/base/text.h"
#include "lacuna/io/drawing.h"

namespace lacuna::cli {
namespace {

constexpr double kPanelSide = 256;  // units, at most
constexpr double kGap = 28;
constexpr double kHeading = 40;
constexpr size_t kPanelsInRow = 4;
constexpr int64_t kPictureCells = 256;
constexpr Color kText{0x22, 0x28, 0x30}, kFaint{0x6a, 0x72, 0x7c}, kPaper{0xf1, 0xf2, 0xf4};

char character(double share) {
  if (share < 0) return ' ';
  if (share == 0) return '.';
  if (share < 0.1) return '-';
  if (share < 0.5) return '+';
  return share < 1 ? '*' : '#';
}

// From pale to dark blue; even a single pair in a large cell must be seen, so the scale begins with
// a step and rises with the root.
Color shade(double share) {
  if (share <= 0) return kPaper;
  const double depth = 0.25 + 0.75 * std::sqrt(share);
  const auto mixed = [&](int pale, int dark) {
    return static_cast<uint8_t>(std::lround(pale + (dark - pale) * depth));
  };
  return {mixed(0xf1, 0x12), mixed(0xf2, 0x3f), mixed(0xf4, 0x7a)};
}

// Cells of equal shade that follow one another in a row are one box.
void draw_cells(const sparse::DensityMap& map, double x, double y, double unit, Drawing& drawing) {
  for (int64_t row = 0; row < map.side; ++row) {
    for (int64_t begin = 0; begin < map.side;) {
      const double share = map.at(row, begin);
      if (share < 0) break;  // above the diagonal
      int64_t end = begin + 1;
      while (end < map.side && map.at(row, end) == share) ++end;
      drawing.add(Box{x + static_cast<double>(begin) * unit, y + static_cast<double>(row) * unit,
                      static_cast<double>(end - begin) * unit, unit, shade(share)});
      begin = end;
    }
  }
}

void draw_panel(const PatternPanel& panel, int64_t length, double x, double y, Drawing& drawing) {
  const sparse::DensityMap map = sparse::density_map(panel.passes, length, kPictureCells);
  // Whole units, so that edges are sharp.
  const double unit = std::max(1.0, std::floor(kPanelSide / static_cast<double>(map.side)));
  const double side = unit * static_cast<double>(map.side);
  drawing.add(Label{{x, y + 12}, panel.title, kText, 12, Anchor::kStart, false, true});
  drawing.add(Label{{x, y + 28}, panel.heads, kFaint, 11});
  draw_cells(map, x, y + kHeading, unit, drawing);
  drawing.add(Label{{x + side, y + kHeading + 12}, "keys \u2192", kFaint, 11, Anchor::kEnd});
  drawing.add(
      Label{{x - 6, y + kHeading + side}, "\u2190 queries", kFaint, 11, Anchor::kStart, true});
}

}  // namespace

std::string pattern_art(const sparse::DensityMap& map) {
  std::string text;
  for (int64_t row = 0; row < map.side; ++row) {
    text += "  ";
    for (int64_t column = 0; column <= row; ++column) text += character(map.at(row, column));
    text += '\n';
  }
  return text + str("  a character is ", map.cell, map.cell == 1 ? " query" : " queries", " by ",
                    map.cell, map.cell == 1 ? " key" : " keys",
                    ": . none, - under a tenth, + under half, * more, # all",
                    map.cell == 1 ? "" : "; a smaller --context shows more", "\n");
}

void write_pattern_png(const std::string& path, const std::vector<PatternPanel>& panels,
                       int64_t length) {
  const size_t columns = std::min(panels.size(), kPanelsInRow);
  const size_t rows = (panels.size() + columns - 1) / columns;
  const double step_x = kPanelSide + kGap, step_y = kPanelSide + kHeading + kGap;
  Drawing drawing{.width = kGap + static_cast<double>(columns) * step_x,
                  .height = kGap + static_cast<double>(rows) * step_y + 12,
                  .title = "attention patterns"};
  for (size_t i = 0; i < panels.size(); ++i) {
    draw_panel(panels[i], length, kGap + static_cast<double>(i % columns) * step_x,
               kGap + static_cast<double>(i / columns) * step_y, drawing);
  }
  drawing.add(Label{{kGap, drawing.height - 10},
                    str(grouped(length), " positions; the darker, the more of the pairs attend"),
                    kFaint,
                    11});
  write_png(path, drawing, 2);
}

}  // namespace lacuna::cli
