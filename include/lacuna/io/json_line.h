// JSON Lines: one flat object per line, as in metrics.jsonl.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

#include "lacuna/base/files.h"

namespace lacuna {

/// Builds one flat JSON object; members appear in the order of the calls. Keys are not checked to
/// be unique. Finite doubles are the shortest text that reads back exactly, others are null; bytes
/// of a string that are no UTF-8 become U+FFFD.
class JsonLine {
 public:
  JsonLine& add(std::string_view key, double value);
  JsonLine& add(std::string_view key, bool value);
  JsonLine& add(std::string_view key, std::string_view value);
  JsonLine& add(std::string_view key, const std::string& value) {
    return add(key, std::string_view(value));
  }
  /// Without this one a literal would become a bool.
  JsonLine& add(std::string_view key, const char* value) {
    return add(key, std::string_view(value));
  }
  template <std::integral Whole>
  JsonLine& add(std::string_view key, Whole value) {
    return add_json(key, std::to_string(value));
  }

  /// `json` is JSON already: a list, an object.
  JsonLine& add_json(std::string_view key, std::string_view json);

  /// The object on one line, without a line break.
  std::string text() const { return '{' + members_ + '}'; }

 private:
  std::string members_;
};

/// Removes from a JSON Lines file all lines whose whole number `key` is above `most`, and lines
/// that are no JSON. A missing file stays missing. Throws Error(kIo) and Error(kData).
void cut_jsonl(const std::string& path, const std::string& key, int64_t most);

/// A file to which lines are appended; each is handed to the system before append() returns. Not
/// for use by several threads at once.
class JsonlFile {
 public:
  /// Creates the file or continues it; a last line without an end (a crash) is ended first. Throws
  /// Error(kIo).
  explicit JsonlFile(const std::string& path);
  /// Throws Error(kIo).
  void append(const JsonLine& line);

 private:
  AppendFile file_;
};

}  // namespace lacuna
