#include "manifest.h"

#include <nlohmann/json.hpp>

#include "lacuna/base/error.h"
#include "lacuna/base/files.h"
#include "lacuna/base/text.h"
#include "lacuna/data/checksum.h"

namespace lacuna::train {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kVersion = 1;
constexpr int kDeepest = 8;
constexpr const char* kHint = "Resume from another checkpoint";

std::string checksum_of(const void* bytes, size_t size) {
  Checksum checksum;
  checksum.add(bytes, size);
  return checksum.text();
}

std::string checksum_of(const Json& json) {
  const std::string text = json.dump();
  return checksum_of(text.data(), text.size());
}

[[noreturn]] void damaged(const std::string& file, const std::string& message) {
  throw Error(ErrorKind::kData, file, message, kHint);
}

// The file must be exactly what we would write: then no byte of it can be another.
Json parse_exact(const std::string& path) {
  const std::string text = read_text(path);
  // Nothing of ours is nested deeper; without a bound a hostile file could exhaust the stack.
  const auto shallow = [](int depth, Json::parse_event_t, Json&) { return depth <= kDeepest; };
  const Json json = Json::parse(text, shallow, false);
  if (json.is_discarded() || !json.is_object() || json.dump(1) + "\n" != text) {
    damaged(path, "is damaged: it is not the JSON that lacuna writes");
  }
  if (!json.contains("version") || !json["version"].is_number_integer()) {
    damaged(path, "is damaged: it has no version");
  }
  if (json["version"] != kVersion) {
    damaged(path, str("is of version ", json["version"].dump(), ", this lacuna reads version ",
                      kVersion));
  }
  return json;
}

void verify_file(const std::string& folder, const Json& entry) {
  const std::string path = folder + "/" + entry.at("name").get<std::string>();
  const MappedFile file(path);
  if (file.size() != entry.at("bytes").get<size_t>()) {
    damaged(path, str("has ", file.size(), " bytes, the manifest says ", entry.at("bytes").dump()));
  }
  if (checksum_of(file.data(), file.size()) != entry.at("xxh3").get<std::string>()) {
    damaged(path, "is damaged: its checksum is not the one in the manifest");
  }
}

}  // namespace

void write_manifest(const std::string& folder, const std::vector<std::string>& files) {
  Json list = Json::array();
  for (const std::string& name : files) {
    const MappedFile file(folder + "/" + name);
    list.push_back(
        {{"name", name}, {"bytes", file.size()}, {"xxh3", checksum_of(file.data(), file.size())}});
  }
  const Json manifest{{"version", kVersion}, {"files", list}, {"xxh3", checksum_of(list)}};
  write_atomic(folder + "/manifest.json", manifest.dump(1) + "\n");
}

void verify_checkpoint(const std::string& folder) {
  const std::string path = folder + "/manifest.json";
  const Json manifest = parse_exact(path);
  try {
    if (checksum_of(manifest.at("files")) != manifest.at("xxh3").get<std::string>()) {
      damaged(path, "is damaged: its own checksum is wrong");
    }
    for (const Json& entry : manifest.at("files")) verify_file(folder, entry);
  } catch (const Json::exception& failure) {
    damaged(path, std::string("is damaged: ") + failure.what());
  }
}

std::string state_text(const TrainingState& state) {
  Json json{{"version", kVersion},
            {"step", state.step},
            {"updates", state.updates},
            {"loss_scale", state.loss_scale},
            {"good_steps", state.good_steps},
            {"best_bits", nullptr},
            {"since_best", state.since_best},
            {"evaluation_due", state.evaluation_due},
            {"data", state.data}};
  if (state.best_bits) json["best_bits"] = *state.best_bits;
  return json.dump(1) + "\n";
}

TrainingState read_state(const std::string& folder) {
  const std::string path = folder + "/state.json";
  const Json json = parse_exact(path);
  try {
    TrainingState state{.step = json.at("step"), .updates = json.at("updates")};
    if (!json.at("best_bits").is_null()) state.best_bits = json.at("best_bits").get<double>();
    // The first checkpoints of version 0.1.0 lack these three.
    state.since_best = json.value("since_best", int64_t{0});
    state.loss_scale = json.value("loss_scale", 1.0);
    state.good_steps = json.value("good_steps", int64_t{0});
    state.evaluation_due = json.at("evaluation_due");
    state.data = json.at("data");
    return state;
  } catch (const Json::exception& failure) {
    damaged(path, std::string("is damaged: ") + failure.what());
  }
}

}  // namespace lacuna::train
