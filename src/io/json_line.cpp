#include "lacuna/io/json_line.h"

#include <cerrno>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <system_error>
#include <utility>

#include "lacuna/base/error.h"
#include "lacuna/base/files.h"
#include "lacuna/base/text.h"

namespace lacuna {
namespace {

std::string quoted(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Error refused(const std::string& path, const char* action) {
  return Error(ErrorKind::kIo, path,
               str("cannot ", action, ": ", std::generic_category().message(errno)));
}

}  // namespace

JsonLine& JsonLine::add_json(std::string_view key, std::string_view json) {
  if (!members_.empty()) members_ += ',';
  members_ += quoted(key);
  members_ += ':';
  members_ += json;
  return *this;
}

JsonLine& JsonLine::add(std::string_view key, double value) {
  return add_json(key, std::isfinite(value) ? exact(value) : "null");
}

JsonLine& JsonLine::add(std::string_view key, bool value) {
  return add_json(key, value ? "true" : "false");
}

JsonLine& JsonLine::add(std::string_view key, std::string_view value) {
  return add_json(key, quoted(value));
}

void cut_jsonl(const std::string& path, const std::string& key, int64_t most) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return;
  std::istringstream lines(read_text(path));
  std::string kept;
  for (std::string line; std::getline(lines, line);) {
    const nlohmann::json object = nlohmann::json::parse(line, nullptr, false);
    if (!object.is_object()) continue;
    const auto found = object.find(key);
    if (found != object.end() && found->is_number_integer() && *found > most) continue;
    kept += line + '\n';
  }
  write_atomic(path, kept);
}

JsonlFile::JsonlFile(std::string path)
    : path_(std::move(path)), file_(std::fopen(path_.c_str(), "a+e")) {
  if (file_ == nullptr) throw refused(path_, "open the file");
  // Fails on an empty file, and where there is nothing to seek in (a pipe): nothing to end then.
  if (std::fseek(file_.get(), -1, SEEK_END) != 0) return;
  const int last = std::fgetc(file_.get());
  std::fseek(file_.get(), 0, SEEK_END);
  if (last != EOF && last != '\n') put("\n");
}

void JsonlFile::append(const JsonLine& line) {
  put(line.text() + '\n');
}

void JsonlFile::put(const std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), file_.get()) != text.size() ||
      std::fflush(file_.get()) != 0) {
    throw refused(path_, "append to the file");
  }
}

}  // namespace lacuna
