// How benchmarks time a piece of work.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <vector>

#include "lacuna/cli/command.h"

namespace lacuna::cli {

template <class Work>
double seconds_of(const Work& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// The upper one of two; `values` is not empty.
inline double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<int64_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// The median time of `repeats` runs after one that warms up. Throws Stopped between two.
template <class Work>
double median_seconds(int64_t repeats, const Stop& stop, const Work& work) {
  leave_if(stop);
  work();
  std::vector<double> seconds;
  for (int64_t i = 0; i < repeats; ++i) {
    leave_if(stop);
    seconds.push_back(seconds_of(work));
  }
  return median(std::move(seconds));
}

}  // namespace lacuna::cli
