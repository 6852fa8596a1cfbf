// Patterns as text and as a picture: a cell is as dark as the share of its pairs that attend.
#include <algorithm>
#include <cmath>

#include "inspect.h"
#include "lacuna/base/text.h"
#include "lacuna/io/drawing.h"

namespace lacuna::cli {
namespace {

constexpr double kPanelSide = 256;             // units, at most
constexpr double kMostWidth = 2 * kPanelSide;  // of what stands above a panel
constexpr double kScale = 2;                   // picture elements a unit
constexpr double kGap = 28;
constexpr double kHeading = 40;
constexpr size_t kTilesInRow = 4;  // even, so that a whole and its corner stand together
constexpr int64_t kPictureCells = 256;
constexpr Color kText{0x22, 0x28, 0x30}, kFaint{0x6a, 0x72, 0x7c}, kPaper{0xf1, 0xf2, 0xf4},
    kFrame{0xd0, 0x5f, 0x0b};

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

// A square of the picture with two lines above it.
struct Tile {
  Label title, note;
  sparse::DensityMap map;
  int64_t framed = 0;  // positions of the corner below on the right that has a frame; 0: none

  // Whole units where that is possible, so that edges are sharp, else picture elements.
  double unit() const {
    const double whole = std::floor(kPanelSide / static_cast<double>(map.side));
    return whole < 1 ? 1 / kScale : whole;
  }
};

Tile tile(const std::string& title, const std::string& note, sparse::DensityMap map) {
  Tile made{.title = {{}, title, kText, 12, Anchor::kStart, false, true},
            .note = {{}, note, kFaint, 11},
            .map = std::move(map)};
  made.title.text = fitted(made.title, kMostWidth);
  made.note.text = fitted(made.note, kMostWidth);
  return made;
}

// The last positions one by one: four strides of them, as many as fit, since the first stride of a
// strided pattern merges with its band.
Tile corner(const PatternPanel& panel, int64_t length) {
  constexpr int64_t kMost = static_cast<int64_t>(kPanelSide * kScale), kWithoutStride = 64;
  const int64_t stride = panel.pattern->stride();
  const int64_t side = std::min({stride > 0 ? 4 * stride : kWithoutStride, kMost, length});
  sparse::DensityMap map{.cell = 1, .side = side, .shares = {}};
  for (int64_t query = length - side; query < length; ++query) {
    for (int64_t key = length - side; key < length; ++key) {
      const bool attends = key <= query && panel.pattern->attends(panel.head, query, key);
      map.shares.push_back(key > query ? -1 : attends ? 1 : 0);
    }
  }
  return tile(str("its last ", grouped(side), " positions"),
              str(grouped(length - side), " to ", grouped(length - 1)), std::move(map));
}

// Each panel as a whole, and what of it can only be seen larger.
std::vector<Tile> tiles_of(const std::vector<PatternPanel>& panels, int64_t length,
                           const BetweenPieces& between_pieces) {
  std::vector<Tile> tiles;
  for (const PatternPanel& panel : panels) {
    tiles.push_back(tile(panel.title, panel.heads,
                         sparse::density_map(panel.passes, length, kPictureCells, between_pieces)));
    Tile& whole = tiles.back();
    const bool coarse = whole.unit() * kScale < static_cast<double>(whole.map.cell);
    if (!coarse) continue;
    Tile larger = corner(panel, length);
    whole.framed = larger.map.side;
    tiles.push_back(std::move(larger));
  }
  return tiles;
}

void draw_tile(Tile tile, double x, double y, Drawing& drawing) {
  const double unit = tile.unit(), side = unit * static_cast<double>(tile.map.side);
  tile.title.at = {x, y + 12};
  tile.note.at = {x, y + 28};
  drawing.add(std::move(tile.title));
  drawing.add(std::move(tile.note));
  y += kHeading;
  draw_cells(tile.map, x, y, unit, drawing);
  if (tile.framed > 0) {
    const double part =
        unit * static_cast<double>(tile.framed) / static_cast<double>(tile.map.cell);
    const double left = x + side - part - 1, top = y + side - part - 1;
    const double right = x + side + 1, bottom = y + side + 1;
    drawing.add(
        Line{{{left, top}, {right, top}, {right, bottom}, {left, bottom}, {left, top}}, kFrame, 1});
  }
  drawing.add(Label{{x + side, y + 12}, "keys \u2192", kFaint, 11, Anchor::kEnd});
  drawing.add(Label{{x - 6, y + side}, "\u2190 queries", kFaint, 11, Anchor::kStart, true});
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
                       int64_t length, const BetweenPieces& between_pieces) {
  const std::vector<Tile> tiles = tiles_of(panels, length, between_pieces);
  const size_t columns = std::min(tiles.size(), kTilesInRow);
  const size_t rows = (tiles.size() + columns - 1) / columns;
  double widest = kPanelSide;
  for (const Tile& tile : tiles) {
    widest = std::max({widest, text_width(tile.title), text_width(tile.note)});
  }
  widest = std::ceil(widest);  // so that edges are sharp
  const bool framed = tiles.front().framed > 0;
  Label caption{{},
                str(grouped(length), " positions; the darker, the more of the pairs attend",
                    framed ? "; beside each what is in its frame" : ""),
                kFaint,
                11};
  const double step_x = widest + kGap, step_y = kPanelSide + kHeading + kGap;
  Drawing drawing{
      .width = kGap + std::max(static_cast<double>(columns) * step_x, text_width(caption) + kGap),
      .height = kGap + static_cast<double>(rows) * step_y + 12,
      .title = "attention patterns"};
  for (size_t i = 0; i < tiles.size(); ++i) {
    draw_tile(tiles[i], kGap + static_cast<double>(i % columns) * step_x,
              kGap + static_cast<double>(i / columns) * step_y, drawing);
  }
  caption.at = {kGap, drawing.height - 10};
  drawing.add(std::move(caption));
  write_png(path, drawing, kScale);
}

}  // namespace lacuna::cli
