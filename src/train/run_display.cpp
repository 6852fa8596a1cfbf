#include "lacuna/train/run_display.h"

#include <unistd.h>

#include <cstdio>

#include "lacuna/base/log.h"
#include "lacuna/base/text.h"

namespace lacuna::train {

RunDisplay::RunDisplay(int64_t plain_every)
    : live_(isatty(STDERR_FILENO) == 1), plain_every_(plain_every) {}

RunDisplay::~RunDisplay() {
  clear();
}

void RunDisplay::show(const DisplayLine& line) {
  const std::string text =
      str("step ", line.step, "/", line.total, "  ", fixed(line.bits, 4), " bits  ",
          grouped(static_cast<int64_t>(line.tokens_per_second)), " tokens/s  ETA ",
          human_seconds(line.seconds_left), "  ", human_bytes(line.memory));
  const bool plain = line.step % plain_every_ == 0 || line.step == 1 || line.step == line.total;
  if (live_) {
    std::fprintf(stderr, "\r\033[K%s", text.c_str());
    std::fflush(stderr);
    shown_ = true;
    if (plain) log_quiet(text);
  } else if (plain) {
    log_info(text);
  }
}

void RunDisplay::say(const std::string& line) {
  clear();
  log_info(line);
}

void RunDisplay::warn(const std::string& line) {
  clear();
  log_warning(line);
}

void RunDisplay::clear() {
  if (shown_) std::fprintf(stderr, "\r\033[K");
  shown_ = false;
}

}  // namespace lacuna::train
