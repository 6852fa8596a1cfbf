// The metric contract as a list of windows: every position of a part is scored exactly once.
#pragma once

#include <cstdint>
#include <vector>

namespace lacuna {

/// The model reads symbols [begin, begin + length) and scores [begin + score_begin, begin +
/// length).
struct EvaluationWindow {
  int64_t begin;
  int64_t length;       // at most the window; only the last may be shorter
  int64_t score_begin;  // relative to begin; 0 for the first window, then min_context
};

/// Windows over a part of `symbols` symbols, scored ranges in ascending order. A scored position
/// has at least `min_context` earlier ones in its window, unless the part itself has fewer before
/// it. No symbols: no windows. Throws Error(kConfig) unless 0 <= min_context < window.
std::vector<EvaluationWindow> evaluation_windows(int64_t symbols, int64_t window,
                                                 int64_t min_context);

}  // namespace lacuna
