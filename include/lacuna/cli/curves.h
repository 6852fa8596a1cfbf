// The arithmetic behind the curves of a report: smoothing, thinning, ticks and their texts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "lacuna/io/drawing.h"

namespace lacuna::cli {

/// Means over the neighbourhood of each value: weights fall off to both sides by a factor of e in
/// `span` values, at the beginning in an eighth of the values so far: there a curve of training is
/// steep, and a wider mean would hide how it falls. Values that are not finite have no weight; NaN
/// where no value has any.
std::vector<double> smoothed(const std::vector<double>& values, double span);

/// The span for the training curve of a run with so many steps: a hundredth of them, or half their
/// root where that is more (below 2,500 steps). A mean over a span s averages the noise of about
/// 4 s steps. By the root that number grows with the run while its share of the run falls, so a
/// short run is smoothed as well as its length allows, and a long one keeps its turns.
double smoothing_span(size_t steps);

/// Points in ascending order of x, made fewer: of those between two whole x the first, the last,
/// the lowest and the highest stay.
std::vector<Point> thinned(const std::vector<Point>& points);

/// Round numbers (1, 2 or 5 times a power of ten apart) from `low` to `high`, about `wanted` of
/// them; low < high.
std::vector<double> even_ticks(double low, double high, int wanted);

/// Powers of ten from `low` to `high`, with twice and five times them where there are few;
/// 0 < low < high.
std::vector<double> log_ticks(double low, double high);

/// A count as an axis shows it: "800", "1,200", "50k", "2.5M".
std::string count_text(double value);

}  // namespace lacuna::cli
