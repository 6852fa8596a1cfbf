#include "manifest.h"

#include <algorithm>
#include <iterator>
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

constexpr int kManifestVersion = 2, kStateVersion = 1;
constexpr int kDeepest = 8;
constexpr const char* kInEveryCheckpoint[] = {"config.toml", "weights.safetensors",
                                              "optimizer.safetensors", "state.json"};
constexpr const char* kAverageName = "average.safetensors";
constexpr DType kMomentTypes[] = {DType::kF64, DType::kF32, DType::kBF16};
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

// No damage: --resume auto must not pass over it and discard what another lacuna has written.
[[noreturn]] void of_another_lacuna(const std::string& file, const std::string& message) {
  throw Error(ErrorKind::kConfig, file, message,
              "Use the lacuna that wrote it, or resume from another checkpoint by name");
}

// The text must be exactly what we would write: then no byte of it can be another.
OrderedJson parse_exact(const std::string& text, const std::string& path, int newest) {
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
  if (json["version"] < 1 || json["version"] > newest) {
    of_another_lacuna(path, str("is of version ", json["version"].dump(), ", this lacuna reads ",
                                newest == 1 ? "version " : "versions up to ", newest));
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

bool is_one_of(const std::string& name, const std::vector<std::string>& names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// All that this lacuna needs must be required, and all that is required must be known.
void check_required(const Manifest& manifest, const std::string& path) {
  std::vector<std::string> listed,
      known(std::begin(kInEveryCheckpoint), std::end(kInEveryCheckpoint));
  for (const ManifestEntry& entry : manifest.files) listed.push_back(entry.name);
  for (const std::string& name : known) {
    if (is_one_of(name, manifest.facts->required)) continue;
    throw std::invalid_argument(str("it does not require ", name));
  }
  known.emplace_back(kAverageName);
  for (const std::string& name : manifest.facts->required) {
    if (!is_one_of(name, listed)) {
      throw std::invalid_argument("it requires a file that it does not list");
    }
    if (!is_one_of(name, known)) {
      of_another_lacuna(path,
                        str("requires the file '", name, "', which this lacuna does not know"));
    }
  }
}

DType moment_type_called(const std::string& name) {
  for (const DType type : kMomentTypes) {
    if (name == name_of(type)) return type;
  }
  throw std::invalid_argument("moments are of no known type");
}

std::vector<StateRange> parse_ranges(const OrderedJson& json,
                                     const std::vector<std::string>& required) {
  std::vector<StateRange> ranges;
  int64_t end = 0;
  for (const OrderedJson& range : json) {
    ranges.push_back({.file = range.at("file").get<std::string>(),
                      .begin = count_at(range, "begin"),
                      .end = count_at(range, "end")});
    if (ranges.back().begin != end || ranges.back().end <= end) {
      throw std::invalid_argument("the ranges of the optimizer's state leave gaps or overlap");
    }
    end = ranges.back().end;
    if (!is_one_of(ranges.back().file, required)) {
      throw std::invalid_argument("a range is in a file that is not required");
    }
  }
  if (ranges.empty()) throw std::invalid_argument("the optimizer's state has no range");
  return ranges;
}

CheckpointFacts parse_facts(const OrderedJson& json) {
  CheckpointFacts facts{.required = json.at("required").get<std::vector<std::string>>(),
                        .moments = moment_type_called(json.at("moments").get<std::string>())};
  facts.ranges = parse_ranges(json.at("ranges"), facts.required);
  const OrderedJson& place = json.at("place");
  facts.place = {count_at(place, "stage"), count_at(place, "index"), count_at(place, "tokens")};
  return facts;
}

// What the checksum of a manifest is of: of version 1 the list alone, else all but itself.
OrderedJson summed(OrderedJson manifest) {
  if (manifest.at("version") == 1) return manifest.at("files");
  manifest.erase("xxh3");
  return manifest;
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
auto understood(const std::string& text, const std::string& path, int newest, const Parse& parse) {
  const OrderedJson json = parse_exact(text, path, newest);
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
                    const CheckpointFacts& facts, const BetweenPieces& between_pieces) {
  OrderedJson list = OrderedJson::array(), ranges = OrderedJson::array();
  for (const std::string& name : files) {
    const MappedFile file(folder + "/" + name);
    list.push_back({{"name", name},
                    {"bytes", file.size()},
                    {"xxh3", checksum_of(file.data(), file.size(), between_pieces)}});
  }
  for (const StateRange& range : facts.ranges) {
    ranges.push_back({{"file", range.file}, {"begin", range.begin}, {"end", range.end}});
  }
  const OrderedJson place{
      {"stage", facts.place.stage}, {"index", facts.place.index}, {"tokens", facts.place.tokens}};
  OrderedJson manifest{
      {"version", kManifestVersion},       {"files", list},    {"required", facts.required},
      {"moments", name_of(facts.moments)}, {"ranges", ranges}, {"place", place}};
  manifest["xxh3"] = checksum_of(manifest);
  write_atomic(folder + "/" + kManifestName, manifest.dump(1) + "\n");
}

Manifest parse_manifest(const std::string& text, const std::string& path) {
  return understood(text, path, kManifestVersion, [&path](const OrderedJson& json) {
    if (checksum_of(summed(json)) != json.at("xxh3").get<std::string>()) {
      throw std::invalid_argument("its own checksum is wrong");
    }
    Manifest manifest;
    for (const OrderedJson& entry : json.at("files")) manifest.files.push_back(parse_entry(entry));
    check_names(manifest.files);
    if (json.at("version") == 1) return manifest;
    manifest.facts = parse_facts(json);
    check_required(manifest, path);
    return manifest;
  });
}

void verify_checkpoint(const std::string& folder, const BetweenPieces& between_pieces) {
  const std::string path = folder + "/" + kManifestName;
  for (const ManifestEntry& entry : parse_manifest(read_text(path), path).files) {
    verify_file(folder, entry, between_pieces);
  }
}

std::optional<CheckpointFacts> read_facts(const std::string& folder) {
  const std::string path = folder + "/" + kManifestName;
  return parse_manifest(read_text(path), path).facts;
}

std::string state_text(const TrainingState& state) {
  OrderedJson json{{"version", kStateVersion},
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
  return understood(text, path, kStateVersion, [](const OrderedJson& json) {
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
