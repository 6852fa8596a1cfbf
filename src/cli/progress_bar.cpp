#include "progress_bar.h"

#include <algorithm>

#include "lacuna/base/log.h"
#include "lacuna/base/terminal.h"
#include "lacuna/base/text.h"

namespace lacuna::cli {
namespace {

constexpr std::chrono::milliseconds kMoment{200};
constexpr std::chrono::seconds kFirstPatience{10}, kLastPatience{60};
constexpr size_t kBar = 24;  // columns
// Sooner nobody can tell how long the rest takes.
constexpr double kTellingSeconds = 1;

}  // namespace

ProgressBar::ProgressBar()
    : live_(terminal_obeys()),
      began_(Clock::now()),
      shown_(live_ ? Clock::time_point() : began_),
      patience_(kFirstPatience) {}

ProgressBar::~ProgressBar() {
  clear_live_line();
}

bool ProgressBar::is_due() const {
  return Clock::now() - shown_ >= (live_ ? Clock::duration(kMoment) : Clock::duration(patience_));
}

void ProgressBar::show(const std::string& what, double share, const std::string& amounts) {
  if (what != what_) {
    what_ = what;
    first_share_ = share;
    began_ = Clock::now();
  }
  if (!is_due()) return;
  shown_ = Clock::now();
  if (live_) {
    // The last column stays free: a character there makes some terminals begin a new row.
    show_live_line(line(share, amounts, static_cast<size_t>(std::max(terminal_columns() - 1, 1))));
    return;
  }
  log_info(line(share, amounts, 0));
  patience_ = std::min(2 * patience_, kLastPatience);
}

// The bar on terminals alone, where there is room for it; columns 0: no terminal.
std::string ProgressBar::line(double share, const std::string& amounts, size_t columns) const {
  share = std::clamp(share, 0.0, 1.0);
  const double seconds = std::chrono::duration<double>(Clock::now() - began_).count();
  std::string text = what_ + "  " + fixed(100 * share, 0) + "%  " + amounts;
  if (seconds >= kTellingSeconds && share > first_share_) {
    text += "  ETA " + human_seconds(seconds * (1 - share) / (share - first_share_));
  }
  if (columns == 0) return text;
  if (text.size() + kBar + 4 <= columns) {
    const auto full = static_cast<size_t>(share * static_cast<double>(kBar));
    text.insert(what_.size() + 2,
                '[' + std::string(full, '#') + std::string(kBar - full, '.') + "]  ");
  }
  return text.substr(0, columns);
}

}  // namespace lacuna::cli
