#include "lacuna/cli/curves.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "../catch.h"

using namespace lacuna;
using namespace lacuna::cli;

namespace {

const double kNaN = std::nan("");

double mean_by_force(const std::vector<double>& values, size_t at, double span) {
  double sum = 0, weights = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) continue;
    double distance = 0;  // in spans
    for (size_t k = std::min(i, at) + 1; k <= std::max(i, at); ++k) {
      distance += std::max(1 / span, 8.0 / double(k));
    }
    const double weight = std::exp(-distance);
    sum += weight * values[i];
    weights += weight;
  }
  return sum / weights;
}

}  // namespace

TEST_CASE("smoothing weighs neighbours exponentially and passes over what is not finite",
          "[curves]") {
  std::vector<double> values{8, 7.5, kNaN, 3, 4, -1, INFINITY, 2, 2, 10};
  for (int i = 0; i < 40; ++i) values.push_back(i * 7 % 11);
  for (const double span : {0.5, 1.0, 3.0, 100.0}) {
    const std::vector<double> means = smoothed(values, span);
    REQUIRE(means.size() == values.size());
    for (size_t i = 0; i < values.size(); ++i) {
      CAPTURE(span, i);
      CHECK(means[i] == Approx(mean_by_force(values, i, span)));
    }
  }
  CHECK(smoothed({}, 3).empty());
  CHECK(std::isnan(smoothed({kNaN, kNaN}, 3)[1]));
  for (const double mean : smoothed(std::vector<double>(50, 4.25), 7)) CHECK(mean == Approx(4.25));
}

TEST_CASE("a short run is smoothed over a larger share of its steps", "[curves]") {
  CHECK(smoothing_span(100000) == 1000);  // a hundredth
  CHECK(smoothing_span(2500) == 25);      // there both rules meet
  CHECK(smoothing_span(400) == 10);       // half the root
  CHECK(smoothing_span(64) == 4);
  for (size_t steps = 1; steps < 5000; ++steps) {
    CHECK(smoothing_span(steps + 1) > smoothing_span(steps));
  }
  // What is left of noise that goes up and down with each of 64 steps; a steep beginning stays.
  std::vector<double> noise;
  for (int i = 0; i < 64; ++i) noise.push_back(i % 2 == 0 ? 1 : -1);
  const std::vector<double> means = smoothed(noise, smoothing_span(noise.size()));
  for (size_t i = 24; i < 56; ++i) CHECK(std::abs(means[i]) < 0.05);
  std::vector<double> steep;
  for (int i = 0; i < 64; ++i) steep.push_back(8 / std::sqrt(i + 1));
  const std::vector<double> course = smoothed(steep, smoothing_span(steep.size()));
  for (size_t i = 0; i < 64; ++i) CHECK(course[i] == Approx(steep[i]).epsilon(0.1));
}

TEST_CASE("thinning keeps the ends and the extremes of each column", "[curves]") {
  std::vector<Point> points;
  for (int i = 0; i < 1000; ++i) points.push_back({i * 0.01, std::sin(i * 1.7) * i});
  const std::vector<Point> kept = thinned(points);
  CHECK(kept.size() <= 40);
  CHECK(std::is_sorted(kept.begin(), kept.end(), [](Point a, Point b) { return a.x < b.x; }));
  for (int column = 0; column < 10; ++column) {
    double low = 1e9, high = -1e9, kept_low = 1e9, kept_high = -1e9;
    for (const Point& point : points) {
      if (std::floor(point.x) != column) continue;
      low = std::min(low, point.y);
      high = std::max(high, point.y);
    }
    for (const Point& point : kept) {
      if (std::floor(point.x) != column) continue;
      kept_low = std::min(kept_low, point.y);
      kept_high = std::max(kept_high, point.y);
    }
    CHECK(kept_low == low);
    CHECK(kept_high == high);
  }
  CHECK(thinned({}).empty());
  CHECK(thinned({{0.5, 1}}).size() == 1);
}

TEST_CASE("ticks are round numbers within the range", "[curves]") {
  CHECK(even_ticks(0, 1000, 5) == std::vector<double>{0, 200, 400, 600, 800, 1000});
  CHECK(even_ticks(0, 8, 8).size() == 9);
  CHECK(!std::signbit(even_ticks(0, 8, 8).front()));  // or it would be shown as -0
  for (const double tick : even_ticks(2.41, 4.03, 7)) {
    CHECK(tick >= 2.41);
    CHECK(tick <= 4.03);
  }
  CHECK(log_ticks(1, 100000) == std::vector<double>{1, 10, 100, 1000, 10000, 100000});
  CHECK(log_ticks(3, 60) == std::vector<double>{5, 10, 20, 50});
}

TEST_CASE("counts on an axis are short", "[curves]") {
  CHECK(count_text(0) == "0");
  CHECK(count_text(1200) == "1,200");
  CHECK(count_text(50000) == "50k");
  CHECK(count_text(12500) == "12.5k");
  CHECK(count_text(2500000) == "2.5M");
  CHECK(count_text(3e9) == "3G");
  CHECK(count_text(0.5) == "0.5");
}
