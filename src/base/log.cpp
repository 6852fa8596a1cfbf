// The only source that includes spdlog: it costs seconds to compile.
#include "lacuna/base/log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>

#include <memory>

#include "lacuna/base/error.h"
#include "lacuna/base/terminal.h"

namespace lacuna {
namespace {

// The log is the one process-wide object of lacuna: a terminal is process-wide too.
spdlog::logger& terminal() {
  static spdlog::logger logger = [] {
    auto sink = std::make_shared<spdlog::sinks::stderr_color_sink_mt>(
        terminal_has_colours() ? spdlog::color_mode::automatic : spdlog::color_mode::never);
    sink->set_pattern("%^%v%$");
    return spdlog::logger("terminal", std::move(sink));
  }();
  return logger;
}

std::unique_ptr<spdlog::logger>& file() {
  static std::unique_ptr<spdlog::logger> logger;
  return logger;
}

void to_file(spdlog::level::level_enum level, const std::string& line) {
  if (file()) file()->log(level, line);
}

}  // namespace

void log_info(const std::string& line) {
  terminal().info(line);
  to_file(spdlog::level::info, line);
}

void log_warning(const std::string& line) {
  terminal().warn("warning: " + line);
  to_file(spdlog::level::warn, line);
}

void log_quiet(const std::string& line) {
  to_file(spdlog::level::info, line);
}

void open_log_file(const std::string& path) {
  try {
    auto sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(path);
    sink->set_pattern("%Y-%m-%d %H:%M:%S %l %v");
    file() = std::make_unique<spdlog::logger>("file", std::move(sink));
    file()->flush_on(spdlog::level::info);
  } catch (const spdlog::spdlog_ex& failure) {
    throw Error(ErrorKind::kIo, path, std::string("cannot open the log file: ") + failure.what());
  }
}

}  // namespace lacuna
