// The metric contract as a list of windows: every position of a part is scored exactly once.
#pragma once

#include <cstdint>
#include <vector>

#include "lacuna/data/dataset.h"

namespace lacuna {

/// The model reads symbols [begin, begin + length) and scores [begin + score_begin, begin +
/// length).
struct EvaluationWindow {
  int64_t begin;
  int64_t length;       // at most the window; only the last of a stretch may be shorter
  int64_t score_begin;  // relative to begin; 0 for the first window, then min_context
};

/// Windows over a stretch of `symbols` symbols, scored ranges in ascending order. A scored position
/// has at least `min_context` earlier ones in its window, unless the stretch itself has fewer
/// before it. No symbols: no windows. Throws Error(kConfig) unless 0 <= min_context < window.
std::vector<EvaluationWindow> evaluation_windows(int64_t symbols, int64_t window,
                                                 int64_t min_context);

/// Those of a part: of each of its records by itself where they are apart. Throws Error(kConfig)
/// besides where the minimum context is not a multiple of the grid's alignment, or is not 0 where
/// that fills the window.
std::vector<EvaluationWindow> evaluation_windows(const Part& part, const WindowGrid& grid,
                                                 int64_t window, int64_t min_context);

/// `count` of the windows, spread over all of them: one of each of `count` runs of nearly equal
/// length, drawn by the seed. All, where there are no more than that.
std::vector<EvaluationWindow> spread_windows(const std::vector<EvaluationWindow>& windows,
                                             int64_t count, uint64_t seed);

}  // namespace lacuna
