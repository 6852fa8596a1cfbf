#include <charconv>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "lacuna/base/error.h"
#include "lacuna/base/facts.h"
#include "lacuna/base/text.h"
#include "lacuna/data/checksum.h"
#include "shards_layout.h"

namespace lacuna::shards {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kVersion = 1;
constexpr int kDeepest = 4;
constexpr const char* kKind = "prepared data of lacuna";
constexpr const char* kHint = "Prepare it again, with --overwrite";

[[noreturn]] void damaged(const std::string& path, const std::string& message) {
  throw Error(ErrorKind::kData, path, "is damaged: " + message, kHint);
}

// What is no UTF-8 is replaced: it may come from names.
std::string dumped(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

std::string text_checksum(std::string_view text) {
  Checksum checksum;
  checksum.add(text.data(), text.size());
  return checksum.text();
}

// Without a bound a hostile file could exhaust the stack.
Json parse_object(const std::string& text, const std::string& path) {
  const auto shallow = [](int depth, Json::parse_event_t, Json&) { return depth <= kDeepest; };
  Json json = Json::parse(text, shallow, false);
  if (json.is_discarded() || !json.is_object())
    damaged(path, "it is not the JSON that lacuna writes");
  if (json.value("kind", Json()) != kKind || !json.contains("version") ||
      !json["version"].is_number_integer()) {
    damaged(path, "it does not say that it is of prepared data");
  }
  if (json["version"] != kVersion) {
    throw Error(
        ErrorKind::kConfig, path,
        str("is of layout ", json["version"].dump(), ", this lacuna reads layout ", kVersion),
        "Use the lacuna that wrote it, or prepare the data again, with --overwrite");
  }
  return json;
}

// get<int64_t>() alone would also take fractions, booleans and what does not fit.
int64_t count_of(const Json& value, const char* what) {
  if (!value.is_number_unsigned() || value.get<uint64_t>() > uint64_t{INT64_MAX}) {
    throw std::invalid_argument(str("'", what, "' is no count"));
  }
  return value.get<int64_t>();
}

Json options_json(const Recipe& recipe) {
  Json options = Json::object();
  for (const auto& [key, value] : recipe.options) options[key] = value;
  return options;
}

Recipe recipe_in(const Json& json) {
  Recipe recipe{.format = json.at("format").get<std::string>(), .options = {}};
  for (const auto& [key, value] : json.at("options").items()) {
    recipe.options[key] = value.get<std::string>();
  }
  return recipe;
}

void check(bool holds, const char* message) {
  if (!holds) throw std::invalid_argument(message);
}

void check_sizes(const Manifest& manifest) {
  check(manifest.records > 0 && manifest.symbols >= manifest.records, "it has no records");
  check(manifest.records <= INT64_MAX / 8, "it has too many records");
  int64_t left = manifest.symbols;
  for (const int64_t bytes : manifest.shards) {
    check(bytes > 0 && bytes <= left, "its shards do not add up to its symbols");
    left -= bytes;
  }
  check(left == 0, "its shards do not add up to its symbols");
  if (manifest.record_size == 0) return;
  check(manifest.symbols % manifest.record_size == 0 &&
            manifest.symbols / manifest.record_size == manifest.records,
        "its records do not add up to its symbols");
}

Manifest manifest_in(Json json) {
  const std::string own = json.at("checksum").get<std::string>();
  json.erase("checksum");
  check(text_checksum(dumped(json, -1)) == own, "its own checksum is wrong");
  Manifest manifest{.lacuna = json.at("lacuna").get<std::string>(),
                    .recipe = recipe_in(json),
                    .records = count_of(json.at("records"), "records"),
                    .symbols = count_of(json.at("symbols"), "symbols"),
                    .record_size = count_of(json.at("record_size"), "record_size"),
                    .xxh3 = json.at("xxh3").get<std::string>(),
                    .sources_xxh3 = json.at("sources_xxh3").get<std::string>(),
                    .ends_xxh3 = json.at("record_ends_xxh3").get<std::string>()};
  for (const Json& shard : json.at("shards")) manifest.shards.push_back(count_of(shard, "shards"));
  check_sizes(manifest);
  return manifest;
}

// Anything that is not understood is damage.
template <class Parse>
auto understood(const std::string& path, const Parse& parse) {
  try {
    return parse();
  } catch (const Json::exception& failure) {
    damaged(path, failure.what());
  } catch (const std::invalid_argument& failure) {
    damaged(path, failure.what());
  }
}

std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '\\':
        result += "\\\\";
        break;
      case '\t':
        result += "\\t";
        break;
      case '\n':
        result += "\\n";
        break;
      default:
        result += c;
    }
  }
  return result;
}

std::string unescaped(std::string_view text) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      result += text[i];
      continue;
    }
    check(++i < text.size(), "a path ends within an escape");
    const size_t which = std::string_view("\\tn").find(text[i]);
    check(which != std::string_view::npos, "a path has an unknown escape");
    result += "\\\t\n"[which];
  }
  return result;
}

int64_t number_in(std::string_view field) {
  int64_t value = 0;
  const auto [end, status] = std::from_chars(field.data(), field.data() + field.size(), value);
  check(status == std::errc() && end == field.data() + field.size(), "a number is none");
  return value;
}

Source source_in(std::string_view line) {
  std::vector<std::string_view> fields;
  for (size_t begin = 0;;) {
    const size_t tab = line.find('\t', begin);
    fields.push_back(line.substr(begin, tab - begin));
    if (tab == std::string_view::npos) break;
    begin = tab + 1;
  }
  check(fields.size() == 4 || fields.size() == 5, "a line has not four or five fields");
  Source source{.path = unescaped(fields[3]),
                .size = number_in(fields[1]),
                .time = number_in(fields[2]),
                .records = number_in(fields[0]),
                .reason = fields.size() == 5 ? unescaped(fields[4]) : ""};
  check(source.records >= 0 && source.size >= 0, "a number is negative");
  check(fields.size() == 4 || (source.records == 0 && !source.reason.empty()),
        "a file that was left out has records");
  return source;
}

}  // namespace

std::string manifest_text(const Manifest& manifest) {
  Json json{{"kind", kKind},
            {"version", kVersion},
            {"lacuna", manifest.lacuna},
            {"format", manifest.recipe.format},
            {"options", options_json(manifest.recipe)},
            {"records", manifest.records},
            {"symbols", manifest.symbols},
            {"record_size", manifest.record_size},
            {"xxh3", manifest.xxh3},
            {"shards", manifest.shards},
            {"sources_xxh3", manifest.sources_xxh3},
            {"record_ends_xxh3", manifest.ends_xxh3}};
  json["checksum"] = text_checksum(dumped(json, -1));
  return dumped(json, 1) + "\n";
}

Manifest parse_manifest(const std::string& text, const std::string& path) {
  const Json json = parse_object(text, path);
  return understood(path, [&] {
    check(dumped(json, 1) + "\n" == text, "it is not the JSON that lacuna writes");
    return manifest_in(json);
  });
}

std::string header_line(const Recipe& recipe, const std::string& folder) {
  const Json header{{"kind", kKind},
                    {"version", kVersion},
                    {"lacuna", build_facts().version},
                    {"format", recipe.format},
                    {"options", options_json(recipe)},
                    {"folder", folder}};
  return dumped(header, -1);
}

std::string source_line(const Source& source) {
  std::string line =
      str(source.records, '\t', source.size, '\t', source.time, '\t', escaped(source.path));
  if (!source.reason.empty()) line += '\t' + escaped(source.reason);
  return line;
}

SourceTable parse_sources(std::string_view text, const std::string& path) {
  SourceTable table;
  const size_t first = text.find('\n');
  if (first == std::string_view::npos) return table;
  table.header = text.substr(0, first);
  const Json header = parse_object(table.header, path);
  return understood(path, [&] {
    table.folder = header.at("folder").get<std::string>();
    for (size_t begin = first + 1;;) {
      table.whole = begin;
      const size_t end = text.find('\n', begin);
      if (end == std::string_view::npos) return table;
      table.sources.push_back(source_in(text.substr(begin, end - begin)));
      begin = end + 1;
    }
  });
}

}  // namespace lacuna::shards
