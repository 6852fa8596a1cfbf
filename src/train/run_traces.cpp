#include "run_traces.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "lacuna/base/error.h"
#include "lacuna/base/files.h"
#include "lacuna/train/checkpoint.h"
#include "manifest.h"

namespace lacuna::train {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

// The text of a file; nothing for what cannot be read.
std::optional<std::string> text_of(const std::string& path) {
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) return std::nullopt;
  try {
    return read_text(path);
  } catch (const Error&) {
    return std::nullopt;
  }
}

// Whether the first line is a JSON object with these members. A process that was killed may have
// left no whole line.
bool records(const std::string& path, std::initializer_list<const char*> members,
             bool none_is_enough) {
  const std::optional<std::string> text = text_of(path);
  if (!text) return false;
  const size_t end = text->find('\n');
  if (end == std::string::npos) return none_is_enough && (text->empty() || text->front() == '{');
  const Json line = Json::parse(text->substr(0, end), nullptr, false);
  return line.is_object() && std::all_of(members.begin(), members.end(),
                                         [&](const char* member) { return line.contains(member); });
}

bool has_manifest(const RunFolder& folder) {
  const CheckpointFolder checkpoints(folder.checkpoints());
  for (const int64_t step : checkpoints.steps()) {
    const std::string path = checkpoints.at(step) + "/" + kManifestName;
    const std::optional<std::string> text = text_of(path);
    try {
      if (text && !parse_manifest(*text, path).files.empty()) return true;
    } catch (const Error& failure) {
      if (failure.kind() == ErrorKind::kConfig) return true;  // of another version of lacuna
    }
  }
  return false;
}

// A log that has come no further than its beginning: a date, then what the data is.
bool log_is_ours(const std::string& path) {
  const std::optional<std::string> text = text_of(path);
  return text && (text->empty() || text->find(" info data    ") == 19);
}

// What a process can have made before starts.jsonl, and nothing else. The lock comes first, and
// where a configuration was copied to there is none.
bool has_only_begun(const RunFolder& folder) {
  if (!is_taken(folder.lock())) return false;
  for (const std::string& file : folder.files()) {
    if (file == folder.log() ? !log_is_ours(file) : file != folder.config()) return false;
  }
  return true;
}

}  // namespace

bool has_traces_of_run(const RunFolder& folder) {
  if (!is_taken(folder.config())) return has_manifest(folder);
  const std::optional<std::string> config = text_of(folder.config());
  if (!config || !is_resolved(*config)) return false;
  return records(folder.starts(), {"step", "lacuna", "steps_total", "data"}, true) ||
         records(folder.metrics(), {"kind", "step", "seconds"}, false) || has_manifest(folder) ||
         has_only_begun(folder);
}

}  // namespace lacuna::train
