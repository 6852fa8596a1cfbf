// The only source that includes spdlog: it costs seconds to compile.
#include "lacuna/base/log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>

#include <cstdio>
#include <memory>
#include <mutex>
#include <vector>

#include "lacuna/base/error.h"
#include "lacuna/base/terminal.h"

namespace lacuna {
namespace {

using Level = spdlog::level::level_enum;

constexpr size_t kMostKept = 10'000;  // a command that opens no file must not grow

struct Kept {
  spdlog::log_clock::time_point time;
  Level level;
  std::string line;
};

// The log is the one process-wide object of lacuna: a terminal is process-wide too.
class Log {
 public:
  void say(Level level, const std::string& line, const std::string& on_terminal) {
    const std::lock_guard lock(mutex_);
    if (quiet_ && level < Level::warn) return;
    end_live();
    terminal_.log(level, name_ + on_terminal);
    write(level, line);
  }
  void warn_only(const std::string& name) {
    const std::lock_guard lock(mutex_);
    quiet_ = true;
    name_ = name + ": ";
  }
  void write_quietly(const std::string& line) {
    const std::lock_guard lock(mutex_);
    write(spdlog::level::info, line);
  }
  void show_live(const std::string& line) {
    const std::lock_guard lock(mutex_);
    if (quiet_) return;
    std::fprintf(stderr, "\r\033[K%s", line.c_str());
    std::fflush(stderr);
    live_ = true;
  }
  void clear_live() {
    const std::lock_guard lock(mutex_);
    end_live();
  }
  void open(const std::string& path) {
    const std::lock_guard lock(mutex_);
    auto sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(path);
    sink->set_pattern("%Y-%m-%d %H:%M:%S %l %v");
    file_ = std::make_unique<spdlog::logger>("file", std::move(sink));
    file_->flush_on(spdlog::level::info);
    for (const Kept& kept : kept_) file_->log(kept.time, {}, kept.level, kept.line);
    kept_.clear();
  }

 private:
  void end_live() {
    if (live_) std::fprintf(stderr, "\r\033[K");
    live_ = false;
  }
  void write(Level level, const std::string& line) {
    if (file_) return file_->log(level, line);
    if (kept_.size() < kMostKept) kept_.push_back({spdlog::log_clock::now(), level, line});
  }
  static spdlog::logger make_terminal() {
    auto sink = std::make_shared<spdlog::sinks::stderr_color_sink_mt>(
        terminal_has_colours() ? spdlog::color_mode::automatic : spdlog::color_mode::never);
    sink->set_pattern("%^%v%$");
    return {"terminal", std::move(sink)};
  }

  std::mutex mutex_;
  spdlog::logger terminal_ = make_terminal();
  bool quiet_ = false;  // but for warnings, which begin with the name
  std::string name_;
  bool live_ = false;  // the last line of the terminal is a live one
  std::unique_ptr<spdlog::logger> file_;
  std::vector<Kept> kept_;  // for the file that is yet to be opened
};

Log& the_log() {
  static Log log;
  return log;
}

}  // namespace

void log_info(const std::string& line) {
  the_log().say(spdlog::level::info, line, line);
}

void log_warning(const std::string& line) {
  the_log().say(spdlog::level::warn, line, "warning: " + line);
}

void log_quiet(const std::string& line) {
  the_log().write_quietly(line);
}

void show_live_line(const std::string& line) {
  the_log().show_live(line);
}

void clear_live_line() {
  the_log().clear_live();
}

void log_warnings_only(const std::string& name) {
  the_log().warn_only(name);
}

void open_log_file(const std::string& path) {
  try {
    the_log().open(path);
  } catch (const spdlog::spdlog_ex& failure) {
    throw Error(ErrorKind::kIo, path, std::string("cannot open the log file: ") + failure.what());
  }
}

}  // namespace lacuna
