#include "lacuna/io/json_line.h"

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <system_error>

#include "lacuna/base/text.h"

namespace lacuna {
namespace {

std::string quoted(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
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

JsonlFile::JsonlFile(const std::string& path) : file_(path) {
  std::ifstream there(path, std::ios::binary);
  there.seekg(-1, std::ios::end);  // fails on an empty file: nothing to end then
  const int last = there.get();
  if (there && last != '\n') file_.append("\n");
}

void JsonlFile::append(const JsonLine& line) {
  file_.append(line.text() + '\n');
}

}  // namespace lacuna
