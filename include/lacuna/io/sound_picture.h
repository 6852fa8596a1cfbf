// Pictures of sound, for people who cannot listen just now.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "lacuna/io/drawing.h"

namespace lacuna {

/// Loudness over time: in each column from the lowest to the highest sample, with the axis of
/// seconds. `samples` at `rate` Hz may be empty.
Drawing draw_waveform(const std::string& title, int64_t rate, std::span<const float> samples);

/// Frequencies over time: one Hann window of about 1/20 s a column, in dB below a sine of full
/// scale, from -100 (dark) to 0 (bright). Tens of thousands of boxes: for write_png() rather than
/// for a page.
Drawing draw_spectrogram(const std::string& title, int64_t rate, std::span<const float> samples);

}  // namespace lacuna
