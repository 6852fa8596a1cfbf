#include "lacuna/io/sound_picture.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "lacuna/base/text.h"
#include "sound_spectrum.h"

namespace lacuna {
namespace {

constexpr double kLeft = 58, kTop = 30, kRight = 14, kBottom = 34;  // around the plot
constexpr int kColumns = 600, kRows = 160;                          // of the plot, one unit each
constexpr Color kInk{60, 60, 60}, kFaint{225, 225, 225}, kBlue{31, 97, 168};
constexpr double kQuietest = -100;  // dB
constexpr int kShades = 64;

/// An empty plot with its title and the axis of seconds below.
Drawing plot_of(const std::string& title, double seconds) {
  Drawing drawing{kLeft + kColumns + kRight, kTop + kRows + kBottom, title, {}};
  Label name{{kLeft, kTop - 11}, title, kInk, 12, Anchor::kStart, false, true};
  name.text = fitted(name, kColumns);
  drawing.add(name);
  constexpr int kMarks = 5;
  for (int i = 0; i <= kMarks; ++i) {
    const double share = static_cast<double>(i) / kMarks;
    const auto anchor = i == 0 ? Anchor::kStart : i == kMarks ? Anchor::kEnd : Anchor::kMiddle;
    const std::string text = str(fixed(share * seconds, seconds < 5 ? 3 : 1), " s");
    drawing.add(Label{{kLeft + share * kColumns, kTop + kRows + 18}, text, kInk, 11, anchor});
  }
  return drawing;
}

void mark_row(Drawing& drawing, double y, const std::string& text) {
  drawing.add(Label{{kLeft - 6, y + 4}, text, kInk, 11, Anchor::kEnd});
}

double seconds_of(int64_t rate, std::span<const float> samples) {
  return static_cast<double>(samples.size()) / static_cast<double>(rate);
}

/// The samples of one column; neighbours share none unless there are fewer samples than columns.
std::span<const float> column(std::span<const float> samples, int index) {
  const size_t begin = samples.size() * static_cast<size_t>(index) / kColumns;
  const size_t end = samples.size() * static_cast<size_t>(index + 1) / kColumns;
  return samples.subspan(begin, std::max<size_t>(end - begin, 1));
}

/// Dark violet through red and yellow to near white, ever brighter. `share` is within 0 .. 1.
Color heat(double share) {
  constexpr std::array<std::array<double, 3>, 7> kStops{{{0, 0, 10},
                                                         {50, 10, 95},
                                                         {120, 28, 109},
                                                         {188, 55, 84},
                                                         {237, 105, 37},
                                                         {251, 180, 26},
                                                         {252, 255, 190}}};
  const double place = share * (kStops.size() - 1);
  const size_t below = std::min(static_cast<size_t>(place), kStops.size() - 2);
  const double rest = place - static_cast<double>(below);
  std::array<uint8_t, 3> mixed{};
  for (size_t i = 0; i < mixed.size(); ++i) {
    mixed[i] = static_cast<uint8_t>(
        std::lround(kStops[below][i] + rest * (kStops[below + 1][i] - kStops[below][i])));
  }
  return {mixed[0], mixed[1], mixed[2]};
}

int shade_of(double decibels) {
  const double share = std::clamp(1 - decibels / kQuietest, 0.0, 1.0);
  return static_cast<int>(std::lround(share * (kShades - 1)));
}

/// Row 0, at the top, has the highest frequencies: of each row, the loudest of its bins.
std::array<int, kRows> shades_of(const std::vector<double>& decibels) {
  std::array<int, kRows> shades{};
  for (size_t row = 0; row < kRows; ++row) {
    const size_t from_below = kRows - 1 - row;
    const size_t begin = decibels.size() * from_below / kRows;
    const size_t end = std::max(begin + 1, decibels.size() * (from_below + 1) / kRows);
    shades[row] = shade_of(*std::max_element(decibels.begin() + static_cast<ptrdiff_t>(begin),
                                             decibels.begin() + static_cast<ptrdiff_t>(end)));
  }
  return shades;
}

/// One box for neighbours of the same shade.
void add_column(Drawing& drawing, int x, const std::array<int, kRows>& shades) {
  for (size_t begin = 0; begin < kRows;) {
    size_t end = begin + 1;
    while (end < kRows && shades[end] == shades[begin]) ++end;
    drawing.add(Box{kLeft + x, kTop + static_cast<double>(begin), 1,
                    static_cast<double>(end - begin),
                    heat(static_cast<double>(shades[begin]) / (kShades - 1))});
    begin = end;
  }
}

}  // namespace

Drawing draw_waveform(const std::string& title, int64_t rate, std::span<const float> samples) {
  Drawing drawing = plot_of(title, seconds_of(rate, samples));
  const auto height = [](float sample) {
    return kTop + (1 - std::clamp(static_cast<double>(sample), -1.0, 1.0)) * kRows / 2;
  };
  for (const float level : {1.0F, 0.0F, -1.0F}) {
    const double y = height(level);
    drawing.add(Line{{{kLeft, y}, {kLeft + kColumns, y}}, kFaint, 1});
    mark_row(drawing, y, fixed(static_cast<double>(level), 0));
  }
  for (int x = 0; x < kColumns && !samples.empty(); ++x) {
    const auto part = column(samples, x);
    const auto [lowest, highest] = std::minmax_element(part.begin(), part.end());
    const double top = height(*highest);
    drawing.add(Box{kLeft + x, top, 1, std::max(height(*lowest) - top, 0.5), kBlue});
  }
  return drawing;
}

Drawing draw_spectrogram(const std::string& title, int64_t rate, std::span<const float> samples) {
  Drawing drawing = plot_of(title, seconds_of(rate, samples));
  const size_t window = spectrum_window(rate);
  for (int x = 0; x < kColumns; ++x) {
    const double middle = (x + 0.5) / kColumns * static_cast<double>(samples.size());
    const auto begin = static_cast<int64_t>(middle) - static_cast<int64_t>(window / 2);
    add_column(drawing, x, shades_of(spectrum_decibels(samples, begin, window)));
  }
  for (int i = 0; i <= 4; ++i) {
    const double share = i / 4.0;
    mark_row(drawing, kTop + (1 - share) * kRows,
             str(fixed(share * static_cast<double>(rate) / 2000, 1), " kHz"));
  }
  return drawing;
}

}  // namespace lacuna
