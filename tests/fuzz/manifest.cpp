// The bytes as manifest.json, as the list in a manifest of version 1 and as a manifest of version 2
// but for its checksum (which no fuzzer would find), and as state.json.
#include "../../src/train/manifest.h"

#include <nlohmann/json.hpp>

#include "lacuna/data/checksum.h"
#include "targets.h"

namespace lacuna::fuzz {
namespace {

using Json = nlohmann::ordered_json;

void parse_manifest(const std::string& text) {
  const train::Manifest manifest = train::parse_manifest(text, "fuzzed");
  for (const train::ManifestEntry& entry : manifest.files) {
    promise(!entry.name.empty() && entry.name.find('/') == std::string::npos);
  }
  if (!manifest.facts) return;
  int64_t end = 0;
  for (const train::StateRange& range : manifest.facts->ranges) {
    promise(range.begin == end && range.end > end);
    end = range.end;
  }
  const train::DataPlace& place = manifest.facts->place;
  promise(end > 0 && place.stage >= 0 && place.index >= 0 && place.tokens >= 0);
}

std::string checksum_of(const Json& json) {
  const std::string text = json.dump();
  Checksum checksum;
  checksum.add(text.data(), text.size());
  return checksum.text();
}

// A manifest with this list and the checksum that makes it pass.
std::string around(const Json& list) {
  return Json{{"version", 1}, {"files", list}, {"xxh3", checksum_of(list)}}.dump(1) + "\n";
}

// The same of a whole manifest of version 2.
std::string sealed(Json manifest) {
  manifest.erase("xxh3");
  manifest["xxh3"] = checksum_of(manifest);
  return manifest.dump(1) + "\n";
}

}  // namespace

void manifest(std::string_view bytes) {
  const std::string text(bytes);
  answer([&] { parse_manifest(text); });
  const bool shallow = bytes.size() < 1000;  // this function's own recursion is not what is tested
  const Json list = shallow ? Json::parse(text, nullptr, false) : Json();
  if (!list.is_discarded()) {
    answer([&] { parse_manifest(around(list)); });
  }
  const Json whole = bytes.size() < 2000 ? Json::parse(text, nullptr, false) : Json();
  if (whole.is_object()) {
    answer([&] { parse_manifest(sealed(whole)); });
  }
  answer([&] {
    const train::TrainingState state = train::parse_state(text, "fuzzed");
    promise(state.step >= 0 && state.updates >= 0 && state.since_best >= 0);
    const std::string written = train::state_text(state);
    promise(train::state_text(train::parse_state(written, "written")) == written);
  });
}

}  // namespace lacuna::fuzz
