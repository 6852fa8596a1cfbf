// Where in a sequence the benchmarks of sampling time a token.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "timing.h"

namespace lacuna::cli {

/// An eighth, a half and the end of the positions.
inline std::array<int64_t, 3> sampling_places(int64_t context) {
  return {std::max<int64_t>(context / 8, 1), std::max<int64_t>(context / 2, 1), context};
}

/// Medians over the `stretch` positions before each place; step(position) is one token. The three
/// places are timed by turns, so that other work on the machine disturbs all of them alike; with a
/// stretch of l positions columns are met as cold as in a real sequence. Throws Stopped.
template <class Step>
std::array<double, 3> seconds_at(const std::array<int64_t, 3>& places, int64_t stretch,
                                 int64_t repeats, const Stop& stop, const Step& step) {
  std::array<std::vector<double>, 3> seconds;
  for (int64_t round = 0; round < repeats * stretch; ++round) {
    leave_if(stop);
    for (size_t place = 0; place < places.size(); ++place) {
      const int64_t position = places[place] - stretch + round % stretch;
      seconds[place].push_back(seconds_of([&] { step(position); }));
    }
  }
  return {median(seconds[0]), median(seconds[1]), median(seconds[2])};
}

}  // namespace lacuna::cli
