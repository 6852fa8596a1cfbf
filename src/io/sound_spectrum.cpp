#include "sound_spectrum.h"

#include <bit>
#include <cmath>
#include <numbers>
#include <utility>

namespace lacuna {

void fourier_transform(std::vector<std::complex<double>>& values) {
  const size_t size = values.size();
  for (size_t i = 0, mirrored = 0; i < size; ++i) {
    if (i < mirrored) std::swap(values[i], values[mirrored]);
    size_t bit = size / 2;
    for (; bit > 0 && (mirrored & bit) != 0; bit /= 2) mirrored ^= bit;
    mirrored |= bit;
  }
  for (size_t half = 1; half < size; half *= 2) {
    for (size_t k = 0; k < half; ++k) {
      const auto turn =
          std::polar(1.0, -std::numbers::pi * static_cast<double>(k) / static_cast<double>(half));
      for (size_t i = k; i < size; i += 2 * half) {
        const auto other = turn * values[i + half];
        values[i + half] = values[i] - other;
        values[i] += other;
      }
    }
  }
}

size_t spectrum_window(int64_t rate) {
  return std::bit_ceil(static_cast<size_t>(rate / 20 + 2));
}

std::vector<double> spectrum_decibels(std::span<const float> samples, int64_t begin,
                                      size_t window) {
  constexpr double kFloor = 1e-10;  // -200 dB
  std::vector<std::complex<double>> values(window);
  const auto size = static_cast<double>(window);
  for (size_t i = 0; i < window; ++i) {
    const int64_t place = begin + static_cast<int64_t>(i);
    if (place < 0 || place >= std::ssize(samples)) continue;
    const double weight =
        0.5 - 0.5 * std::cos(2 * std::numbers::pi * static_cast<double>(i) / size);
    values[i] = weight * static_cast<double>(samples[static_cast<size_t>(place)]);
  }
  fourier_transform(values);
  std::vector<double> decibels(window / 2 + 1);
  for (size_t k = 0; k < decibels.size(); ++k) {
    // The weights sum to size / 2, and a sine's two halves have half its level each.
    decibels[k] = 20 * std::log10(std::max(std::abs(values[k]) * 4 / size, kFloor));
  }
  return decibels;
}

}  // namespace lacuna
