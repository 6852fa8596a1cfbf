#include "lacuna/cli/curves.h"

#include <algorithm>
#include <cmath>

#include "lacuna/base/text.h"

namespace lacuna::cli {
namespace {

// `wanted` steps from low to high, rounded up to 1, 2 or 5 times a power of ten.
double round_step(double range, int wanted) {
  const double least = range / wanted;
  const double power = std::pow(10, std::floor(std::log10(least)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= least * (1 - 1e-9)) return factor * power;
  }
  return 10 * power;
}

std::string without_zeros(std::string text) {
  if (text.find('.') == std::string::npos) return text;
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  return text;
}

}  // namespace

std::vector<double> smoothed(const std::vector<double>& values, double span) {
  // What a weight keeps from value i - 1 to value i, and on the way back.
  const auto keep = [&](size_t i) {
    return std::exp(-1 / std::min(span, static_cast<double>(i) / 8));
  };
  // Sums of values and of weights: first what comes before each value and itself, then on the way
  // back what comes after it.
  std::vector<double> sums, weights;
  double sum = 0, weight = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const bool counts = std::isfinite(values[i]);
    sums.push_back(sum = keep(i) * sum + (counts ? values[i] : 0));
    weights.push_back(weight = keep(i) * weight + (counts ? 1 : 0));
  }
  sum = weight = 0;
  for (size_t i = values.size(); i-- > 0;) {
    const bool counts = std::isfinite(values[i]);
    sums[i] += keep(i + 1) * sum;
    weights[i] += keep(i + 1) * weight;
    sum = keep(i + 1) * sum + (counts ? values[i] : 0);
    weight = keep(i + 1) * weight + (counts ? 1 : 0);
  }
  for (size_t i = 0; i < values.size(); ++i) sums[i] /= weights[i];  // 0 / 0 is NaN
  return sums;
}

double smoothing_span(size_t steps) {
  const auto count = static_cast<double>(steps);
  return std::max(count / 100, std::sqrt(count) / 2);
}

std::vector<Point> thinned(const std::vector<Point>& points) {
  std::vector<Point> kept;
  const auto lower = [](const Point& a, const Point& b) { return a.y < b.y; };
  for (auto begin = points.begin(); begin != points.end();) {
    const double column = std::floor(begin->x);
    const auto end = std::find_if(
        begin, points.end(), [&](const Point& point) { return std::floor(point.x) != column; });
    const auto [low, high] = std::minmax_element(begin, end, lower);
    std::vector<std::vector<Point>::const_iterator> stay{begin, low, high, end - 1};
    std::sort(stay.begin(), stay.end());
    stay.erase(std::unique(stay.begin(), stay.end()), stay.end());
    for (const auto point : stay) kept.push_back(*point);
    begin = end;
  }
  return kept;
}

std::vector<double> even_ticks(double low, double high, int wanted) {
  const double step = round_step(high - low, wanted);
  std::vector<double> ticks;
  // By whole multiples, so that 0 is 0 and no rounding adds up.
  const double first = std::ceil(low / step - 1e-9) + 0.0;  // not -0
  for (double k = first; k * step <= high + 1e-9 * step; ++k) ticks.push_back(k * step);
  return ticks;
}

std::vector<double> log_ticks(double low, double high) {
  const bool few = high / low < 5000;
  std::vector<double> ticks;
  for (double power = std::pow(10, std::floor(std::log10(low))); power <= high; power *= 10) {
    for (const double factor : {1.0, 2.0, 5.0}) {
      const double tick = factor * power;
      if ((factor == 1 || few) && tick >= low && tick <= high) ticks.push_back(tick);
    }
  }
  return ticks;
}

std::string count_text(double value) {
  if (value >= 1e9) return without_zeros(fixed(value / 1e9, 2)) + "G";
  if (value >= 1e6) return without_zeros(fixed(value / 1e6, 2)) + "M";
  if (value >= 1e4 && std::fmod(value, 100) == 0) return without_zeros(fixed(value / 1e3, 1)) + "k";
  if (value != std::floor(value)) return without_zeros(fixed(value, 3));
  return grouped(static_cast<int64_t>(value));
}

}  // namespace lacuna::cli
