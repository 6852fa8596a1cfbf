// The curves of one or several runs on one plot.
#pragma once

#include <string>
#include <vector>

#include "lacuna/io/drawing.h"
#include "lacuna/train/run_record.h"

namespace lacuna::cli {

enum class StepAxis : uint8_t { kLinear, kLogarithmic };

/// The color of the run at a place in the list; they repeat after eight.
Color run_color(size_t index);

/// Training and validation bits over steps, or over tokens when the runs' steps differ in size. On
/// a linear axis a steep beginning is cut off above, so that the end can be read.
Drawing draw_chart(const std::vector<train::RunRecord>& runs, StepAxis axis);

}  // namespace lacuna::cli
