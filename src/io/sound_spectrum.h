// The spectrum of a short piece of sound.
#pragma once

#include <complex>
#include <cstdint>
#include <span>
#include <vector>

namespace lacuna {

/// In place, X_k = sum over n of x_n exp(-2 pi i k n / N); the size N is a power of two.
void fourier_transform(std::vector<std::complex<double>>& values);

/// A power of two: about 1/20 s.
size_t spectrum_window(int64_t rate);

/// Of `window` samples from `begin` on (silence where there are none) under a Hann window: level of
/// the frequencies k / window * rate for k = 0 .. window / 2, in dB, where a sine of full scale has
/// 0; -200 at least.
std::vector<double> spectrum_decibels(std::span<const float> samples, int64_t begin, size_t window);

}  // namespace lacuna
