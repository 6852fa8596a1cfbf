#include "manifest.h"

#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>

#include "lacuna/base/error.h"
#include "lacuna/base/files.h"
#include "lacuna/base/text.h"
#include "lacuna/data/checksum.h"

namespace lacuna::train {
namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr int kVersion = 1;
constexpr int kDeepest = 8;
constexpr const char* kInEveryCheckpoint[] = {"config.toml", "weights.safetensors",
                                              "optimizer.safetensors", "state.json"};
constexpr const char* kHint = "Resume from another checkpoint";

std::string checksum_of(const void* bytes, size_t size, const BetweenPieces& between_pieces = {}) {
  Checksum checksum;
  in_pieces(bytes, size, between_pieces,
            [&checksum](const std::byte* piece, size_t count) { checksum.add(piece, count); });
  return checksum.text();
}

std::string checksum_of(const OrderedJson& json) {
  const std::string text = json.dump();
  return checksum_of(text.data(), text.size());
}

[[noreturn]] void damaged(const std::string& file, const std::string& message) {
  throw Error(ErrorKind::kData, file, message, kHint);
}

// The text must be exactly what we would write: then no byte of it can be another.
OrderedJson parse_exact(const std::string& text, const std::string& path) {
  // Nothing of ours is nested deeper; without a bound a hostile file could exhaust the stack.
  const auto shallow = [](int depth, OrderedJson::parse_event_t, OrderedJson&) {
    return depth <= kDeepest;
  };
  const OrderedJson json = OrderedJson::parse(text, shallow, false);
  if (json.is_discarded() || !json.is_object() || json.dump(1) + "\n" != text) {
    damaged(path, "is damaged: it is not the JSON that lacuna writes");
  }
  if (!json.contains("version") || !json["version"].is_number_integer()) {
    damaged(path, "is damaged: it has no version");
  }
  if (json["version"] != kVersion) {
    // No damage: --resume auto must not pass over it and discard what another lacuna has written.
    throw Error(
        ErrorKind::kConfig, path,
        str("is of version ", json["version"].dump(), ", this lacuna reads version ", kVersion),
        "Use the lacuna that wrote it, or resume from another checkpoint by name");
  }
  return json;
}

// get<int64_t>() alone would also take fractions, booleans and what does not fit.
int64_t count_at(const OrderedJson& json, const char* key) {
  const OrderedJson& value = json.at(key);
  if (!value.is_number_unsigned() || value.get<uint64_t>() > uint64_t{INT64_MAX}) {
    throw std::invalid_argument(str("'", key, "' is no count"));
  }
  return value.get<int64_t>();
}

ManifestEntry parse_entry(const OrderedJson& entry) {
  ManifestEntry parsed{.name = entry.at("name").get<std::string>(),
                       .bytes = static_cast<uint64_t>(count_at(entry, "bytes")),
                       .xxh3 = entry.at("xxh3").get<std::string>()};
  if (parsed.name.empty() || parsed.name[0] == '.' ||
      parsed.name.find_first_of(std::string_view("/\0", 2)) != std::string::npos) {
    throw std::invalid_argument("it names a file of another folder");
  }
  return parsed;
}

void check_names(const std::vector<ManifestEntry>& entries) {
  std::set<std::string> names;
  for (const ManifestEntry& entry : entries) {
    if (!names.insert(entry.name).second) throw std::invalid_argument("it names a file twice");
  }
  for (const char* name : kInEveryCheckpoint) {
    if (!names.contains(name)) throw std::invalid_argument(str("it does not name ", name));
  }
}

void verify_file(const std::string& folder, const ManifestEntry& entry,
                 const BetweenPieces& between_pieces) {
  const std::string path = folder + "/" + entry.name;
  const MappedFile file(path);
  if (file.size() != entry.bytes) {
    damaged(path, str("has ", file.size(), " bytes, the manifest says ", entry.bytes));
  }
  if (checksum_of(file.data(), file.size(), between_pieces) != entry.xxh3) {
    damaged(path, "is damaged: its checksum is not the one in the manifest");
  }
}

// What `parse` makes of the JSON in a text; anything it does not understand is damage.
template <class Parse>
auto understood(const std::string& text, const std::string& path, const Parse& parse) {
  const OrderedJson json = parse_exact(text, path);
  try {
    return parse(json);
  } catch (const OrderedJson::exception& failure) {
    damaged(path, std::string("is damaged: ") + failure.what());
  } catch (const std::invalid_argument& failure) {
    damaged(path, std::string("is damaged: ") + failure.what());
  }
}

}  // namespace

void write_manifest(const std::string& folder, const std::vector<std::string>& files,
                    const BetweenPieces& between_pieces) {
  OrderedJson list = OrderedJson::array();
  for (const std::string& name : files) {
    const MappedFile file(folder + "/" + name);
    list.push_back({{"name", name},
                    {"bytes", file.size()},
                    {"xxh3", checksum_of(file.data(), file.size(), between_pieces)}});
  }
  const OrderedJson manifest{{"version", kVersion}, {"files", list}, {"xxh3", checksum_of(list)}};
  write_atomic(folder + "/" + kManifestName, manifest.dump(1) + "\n");
}

std::vector<ManifestEntry> parse_manifest(const std::string& text, const std::string& path) {
  return understood(text, path, [](const OrderedJson& json) {
    if (checksum_of(json.at("files")) != json.at("xxh3").get<std::string>()) {
      throw std::invalid_argument("its own checksum is wrong");
    }
    std::vector<ManifestEntry> entries;
    for (const OrderedJson& entry : json.at("files")) entries.push_back(parse_entry(entry));
    check_names(entries);
    return entries;
  });
}

void verify_checkpoint(const std::string& folder, const BetweenPieces& between_pieces) {
  const std::string path = folder + "/" + kManifestName;
  for (const ManifestEntry& entry : parse_manifest(read_text(path), path)) {
    verify_file(folder, entry, between_pieces);
  }
}

std::string state_text(const TrainingState& state) {
  OrderedJson json{{"version", kVersion},
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

TrainingState parse_state(const std::string& text, const std::string& path) {
  return understood(text, path, [](const OrderedJson& json) {
    TrainingState state{.step = count_at(json, "step"), .updates = count_at(json, "updates")};
    if (!json.at("best_bits").is_null()) state.best_bits = json.at("best_bits").get<double>();
    // The first checkpoints of version 0.1.0 lack these three.
    if (json.contains("since_best")) state.since_best = count_at(json, "since_best");
    if (json.contains("good_steps")) state.good_steps = count_at(json, "good_steps");
    if (json.contains("loss_scale")) state.loss_scale = json.at("loss_scale").get<double>();
    state.evaluation_due = json.at("evaluation_due").get<bool>();
    state.data = json.at("data").get<std::string>();
    return state;
  });
}

TrainingState read_state(const std::string& folder) {
  const std::string path = folder + "/state.json";
  return parse_state(read_text(path), path);
}

}  // namespace lacuna::train
