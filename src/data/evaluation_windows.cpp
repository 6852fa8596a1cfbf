#include "lacuna/data/evaluation_windows.h"

#include <algorithm>

#include "lacuna/base/error.h"
#include "lacuna/base/rng.h"
#include "lacuna/base/text.h"

namespace lacuna {

std::vector<EvaluationWindow> evaluation_windows(int64_t symbols, int64_t window,
                                                 int64_t min_context) {
  if (min_context < 0 || min_context >= window) {
    throw Error(ErrorKind::kConfig, "--min-context",
                str("a minimum context of ", min_context, ", expected 0 to ", window - 1,
                    ": less than the window of ", window, " symbols"),
                "Lower it");
  }
  std::vector<EvaluationWindow> windows;
  for (int64_t scored = 0; scored < symbols;) {
    // Equal to min_context after the first window, which has scored `window` > min_context symbols.
    const int64_t context = std::min(min_context, scored);
    const int64_t begin = scored - context;
    const int64_t length = std::min(window, symbols - begin);
    windows.push_back({begin, length, context});
    scored = begin + length;
  }
  return windows;
}

std::vector<EvaluationWindow> evaluation_windows(const Part& part, const WindowGrid& grid,
                                                 int64_t window, int64_t min_context) {
  if (min_context != 0 && grid.alignment >= window) {
    throw Error(ErrorKind::kConfig, "--min-context",
                str("a minimum context of ", min_context,
                    ", expected 0: each window is one whole "
                    "sample of ",
                    window, " symbols, such as a picture, and none comes before it"),
                "Leave it out");
  }
  if (min_context % grid.alignment != 0) {
    throw Error(ErrorKind::kConfig, "--min-context",
                str("a minimum context of ", min_context, ", expected a multiple of ",
                    grid.alignment, ", where the windows of this data may begin"));
  }
  if (!part.records_apart()) return evaluation_windows(part.size(), window, min_context);
  std::vector<EvaluationWindow> windows;
  for (int64_t record = 0; record < part.records(); ++record) {
    const int64_t begin = part.record_begin(record);
    for (EvaluationWindow in :
         evaluation_windows(part.record_begin(record + 1) - begin, window, min_context)) {
      in.begin += begin;
      windows.push_back(in);
    }
  }
  return windows;
}

std::vector<EvaluationWindow> spread_windows(const std::vector<EvaluationWindow>& windows,
                                             int64_t count, uint64_t seed) {
  const auto all = static_cast<int64_t>(windows.size());
  if (count >= all) return windows;
  std::vector<EvaluationWindow> chosen;
  const PhiloxKey key = random_key(seed, RandomUse::kEvaluation, 0);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t begin = all * i / count, end = all * (i + 1) / count;
    const PhiloxCounter words = random_words(key, static_cast<uint64_t>(i), 0, 0);
    const auto offset =
        static_cast<int64_t>(uniform_double(words[0], words[1]) * static_cast<double>(end - begin));
    chosen.push_back(windows[static_cast<size_t>(begin + std::min(offset, end - begin - 1))]);
  }
  return chosen;
}

}  // namespace lacuna
