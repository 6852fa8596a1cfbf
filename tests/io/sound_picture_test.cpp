#include "lacuna/io/sound_picture.h"

#include <cmath>
#include <numbers>

#include "../../src/io/sound_spectrum.h"
#include "../catch.h"
#include "../temp_folder.h"
#include "lacuna/base/files.h"

using namespace lacuna;

namespace {

std::vector<float> tone(double level, double hertz, int64_t rate, int64_t count) {
  std::vector<float> samples;
  for (int64_t i = 0; i < count; ++i) {
    samples.push_back(
        static_cast<float>(level * std::sin(2 * std::numbers::pi * hertz * static_cast<double>(i) /
                                            static_cast<double>(rate))));
  }
  return samples;
}

std::vector<Box> boxes(const Drawing& drawing) {
  std::vector<Box> found;
  for (const DrawnShape& shape : drawing.shapes) {
    if (const auto* box = std::get_if<Box>(&shape)) found.push_back(*box);
  }
  return found;
}

int brightness(const Color& color) {
  return color.red + color.green + color.blue;
}

}  // namespace

TEST_CASE("the fast Fourier transform is the sum it stands for", "[sound_picture]") {
  for (const size_t size : {1, 2, 8, 64}) {
    std::vector<std::complex<double>> values(size);
    for (size_t i = 0; i < size; ++i) {
      values[i] = {std::sin(static_cast<double>(i * i)), std::cos(static_cast<double>(3 * i))};
    }
    auto fast = values;
    fourier_transform(fast);
    double worst = 0;
    for (size_t k = 0; k < size; ++k) {
      std::complex<double> sum = 0;
      for (size_t n = 0; n < size; ++n) {
        sum += values[n] * std::polar(1.0, -2 * std::numbers::pi * static_cast<double>(k * n) /
                                               static_cast<double>(size));
      }
      worst = std::max(worst, std::abs(sum - fast[k]));
    }
    CHECK(worst < 1e-10);
  }
}

TEST_CASE("a sine of full scale has 0 dB at its frequency, a tenth of it -20", "[sound_picture]") {
  CHECK(spectrum_window(12'000) == 1024);
  for (const double level : {1.0, 0.1}) {
    const auto samples = tone(level, 1'500, 12'000, 12'000);
    const auto decibels = spectrum_decibels(samples, 2'000, 1024);
    REQUIRE(decibels.size() == 513);
    CHECK(decibels[128] == Approx(20 * std::log10(level)).margin(0.01));
    CHECK(decibels[64] < -100);
    CHECK(decibels[256] < -100);
  }
  CHECK(spectrum_decibels({}, -5, 8) == std::vector<double>(5, -200));
}

TEST_CASE("a waveform shows the lowest and the highest sample of each column", "[sound_picture]") {
  std::vector<float> samples(6'000, 0.0F);
  samples[1'005] = 0.5F;  // column 100
  samples[1'009] = -0.25F;
  const auto columns = boxes(draw_waveform("a sound", 12'000, samples));
  REQUIRE(columns.size() == 600);
  CHECK(columns[100].y == columns[99].y - 40);  // of 160 units for -1 .. 1
  CHECK(columns[100].height == 60);
  CHECK(columns[99].height == 0.5);
  CHECK(columns[101].y == columns[99].y);
}

TEST_CASE("a spectrogram is bright where the tone is", "[sound_picture]") {
  auto samples = tone(0.9, 3'000, 12'000, 12'000);
  std::fill(samples.begin() + 6'000, samples.end(), 0.0F);
  const auto found = boxes(draw_spectrogram("a tone", 12'000, samples));
  int bright = 0, dark = 0;
  for (const Box& box : found) {
    const bool early = box.x < 58 + 290;
    const bool late = box.x >= 58 + 330;
    const double middle = 30 + 80;  // 3 of 6 kHz
    const bool there = box.y < middle && box.y + box.height >= middle - 1;
    if (early && there && brightness(box.fill) > 500) ++bright;
    if (late) dark += box.height == 160 && brightness(box.fill) < 20;
  }
  CHECK(bright >= 285);
  CHECK(dark == 270);
}

TEST_CASE("pictures of sound can be written, also of none and of a single sample",
          "[sound_picture]") {
  const TempFolder folder;
  for (const size_t count : {0, 1, 599, 5'000}) {
    CAPTURE(count);
    const std::vector<float> samples(count, 0.3F);
    write_png(folder / "w.png", draw_waveform("w", 12'000, samples), 2);
    write_png(folder / "s.png", draw_spectrogram("s", 12'000, samples), 2);
    CHECK(read_text(folder / "w.png").substr(1, 3) == "PNG");
    CHECK(read_text(folder / "s.png").substr(1, 3) == "PNG");
  }
}
