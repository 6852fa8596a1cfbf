#include "lacuna/data/evaluation_windows.h"

#include <algorithm>

#include "lacuna/base/error.h"
#include "lacuna/base/text.h"

namespace lacuna {

std::vector<EvaluationWindow> evaluation_windows(int64_t symbols, int64_t window,
                                                 int64_t min_context) {
  if (min_context < 0 || min_context >= window) {
    throw Error(ErrorKind::kConfig, "evaluation windows",
                str("the minimum context is ", min_context, ", expected 0 to ", window - 1,
                    ": less than the window of ", window, " symbols"),
                "Lower the minimum context");
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

}  // namespace lacuna
