// The bytes as manifest.json, as the list in a manifest (whose checksum no fuzzer would find), and
// as state.json.
#include "../../src/train/manifest.h"

#include <nlohmann/json.hpp>

#include "lacuna/data/checksum.h"
#include "targets.h"

namespace lacuna::fuzz {
namespace {

using Json = nlohmann::ordered_json;

void parse_list(const std::string& text) {
  for (const train::ManifestEntry& entry : train::parse_manifest(text, "fuzzed")) {
    promise(!entry.name.empty() && entry.name.find('/') == std::string::npos);
  }
}

// A manifest with this list and the checksum that makes it pass.
std::string around(const Json& list) {
  const std::string text = list.dump();
  Checksum checksum;
  checksum.add(text.data(), text.size());
  return Json{{"version", 1}, {"files", list}, {"xxh3", checksum.text()}}.dump(1) + "\n";
}

}  // namespace

void manifest(std::string_view bytes) {
  const std::string text(bytes);
  answer([&] { parse_list(text); });
  const bool shallow = bytes.size() < 1000;  // this function's own recursion is not what is tested
  const Json list = shallow ? Json::parse(text, nullptr, false) : Json();
  if (!list.is_discarded()) {
    answer([&] { parse_list(around(list)); });
  }
  answer([&] {
    const train::TrainingState state = train::parse_state(text, "fuzzed");
    promise(state.step >= 0 && state.updates >= 0 && state.since_best >= 0);
    const std::string written = train::state_text(state);
    promise(train::state_text(train::parse_state(written, "written")) == written);
  });
}

}  // namespace lacuna::fuzz
