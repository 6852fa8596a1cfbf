// Texts of manifests and states that the binary cannot be made to meet, because their checksums
// fit.
#include "../../src/train/manifest.h"

#include <nlohmann/json.hpp>

#include "../catch.h"
#include "../expect_error.h"
#include "../temp_folder.h"
#include "lacuna/data/checksum.h"

using namespace lacuna;
using namespace lacuna::train;

namespace {

TrainingState sample_state() {
  return {.step = 30, .updates = 28, .best_bits = 2.5, .since_best = 1, .data = "1234:56"};
}

std::string with(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

void expect_damaged(const std::string& text, const std::string& fragment) {
  expect_error(ErrorKind::kData, fragment, [&] { parse_state(text, "state.json"); });
}

using Json = nlohmann::ordered_json;

const std::vector<std::string> kFiles{"config.toml", "weights.safetensors", "optimizer.safetensors",
                                      "state.json"};

CheckpointFacts sample_facts() {
  return {.required = kFiles,
          .moments = DType::kBF16,
          .ranges = {{"optimizer.safetensors", 0, 96}, {"optimizer.safetensors", 96, 4096}},
          .place = {.stage = 2, .index = 120, .tokens = 4800}};
}

/// A manifest as it is written, of files with nothing in them.
Json written_manifest(const CheckpointFacts& facts) {
  const TempFolder folder;
  for (const std::string& file : kFiles) folder.put(file, file);
  write_manifest(folder.path(), kFiles, facts, {});
  return Json::parse(read_text(folder.path() + "/manifest.json"));
}

/// With the checksum that it needs to be looked at.
Manifest parse_sealed(Json manifest) {
  manifest.erase("xxh3");
  const std::string text = manifest.dump();
  Checksum checksum;
  checksum.add(text.data(), text.size());
  manifest["xxh3"] = checksum.text();
  return parse_manifest(manifest.dump(1) + "\n", "manifest.json");
}

// As lacuna wrote it before there was version 2.
const std::string kOfVersion1 = R"({
 "version": 1,
 "files": [
  {
   "name": "config.toml",
   "bytes": 889,
   "xxh3": "f4ff1e91d6e940ca"
  },
  {
   "name": "weights.safetensors",
   "bytes": 2880,
   "xxh3": "8bb4ce43722480a6"
  },
  {
   "name": "optimizer.safetensors",
   "bytes": 6008,
   "xxh3": "37f0d7c3d2ec0649"
  },
  {
   "name": "state.json",
   "bytes": 179,
   "xxh3": "751514b8d33beaf2"
  },
  {
   "name": "average.safetensors",
   "bytes": 2880,
   "xxh3": "c6ab01d145d0710f"
  }
 ],
 "xxh3": "e1a2ddad76d78ad2"
}
)";

}  // namespace

TEST_CASE("a manifest comes back from its text") {
  const Manifest manifest = parse_sealed(written_manifest(sample_facts()));
  REQUIRE(manifest.files.size() == 4);
  CHECK(manifest.files[1].name == "weights.safetensors");
  CHECK(manifest.files[1].bytes == 19);
  REQUIRE(manifest.facts.has_value());
  CHECK(manifest.facts->required == kFiles);
  CHECK(manifest.facts->moments == DType::kBF16);
  REQUIRE(manifest.facts->ranges.size() == 2);
  CHECK(manifest.facts->ranges[1].file == "optimizer.safetensors");
  CHECK(manifest.facts->ranges[1].begin == 96);
  CHECK(manifest.facts->ranges[1].end == 4096);
  CHECK(manifest.facts->place == sample_facts().place);
}

TEST_CASE("a manifest of version 1 is read, and says nothing but its files") {
  const Manifest manifest = parse_manifest(kOfVersion1, "manifest.json");
  REQUIRE(manifest.files.size() == 5);
  CHECK(manifest.files[2].name == "optimizer.safetensors");
  CHECK(manifest.files[2].bytes == 6008);
  CHECK_FALSE(manifest.facts.has_value());
  expect_error(ErrorKind::kData, "its own checksum is wrong",
               [&] { parse_manifest(with(kOfVersion1, "6008", "6009"), "manifest.json"); });
}

TEST_CASE("a manifest whose facts cannot be is refused") {
  const Json good = written_manifest(sample_facts());
  const auto refused = [&](ErrorKind kind, const std::string& fragment, const auto& change) {
    Json changed = good;
    change(changed);
    expect_error(kind, fragment, [&] { parse_sealed(changed); });
  };
  const auto damaged = [&](const std::string& fragment, const auto& change) {
    refused(ErrorKind::kData, fragment, change);
  };
  CHECK_NOTHROW(parse_sealed(good));
  damaged("'required' not found", [](Json& m) { m.erase("required"); });
  damaged("does not require state.json", [](Json& m) { m["required"].erase(3); });
  damaged("that it does not list", [](Json& m) { m["required"].push_back("average.safetensors"); });
  damaged("is damaged", [](Json& m) { m["required"] = 3; });
  damaged("no known type", [](Json& m) { m["moments"] = "f16"; });
  damaged("gaps or overlap", [](Json& m) { m["ranges"][1]["begin"] = 112; });
  damaged("gaps or overlap", [](Json& m) { m["ranges"][1]["begin"] = 80; });
  damaged("gaps or overlap", [](Json& m) { m["ranges"][1]["end"] = 96; });
  damaged("'end' is no count", [](Json& m) { m["ranges"][1]["end"] = -4096; });
  damaged("has no range", [](Json& m) { m["ranges"] = Json::array(); });
  damaged("not required", [](Json& m) { m["ranges"][0]["file"] = "elsewhere"; });
  damaged("'index' is no count", [](Json& m) { m["place"]["index"] = 1.5; });
  damaged("'tokens' not found", [](Json& m) { m["place"].erase("tokens"); });
  // What a newer lacuna cannot do without is no damage.
  refused(ErrorKind::kConfig, "'loader.json', which this lacuna does not know", [](Json& m) {
    m["files"].push_back({{"name", "loader.json"}, {"bytes", 1}, {"xxh3", "0"}});
    m["required"].push_back("loader.json");
  });
  Json more = good;
  more["files"].push_back({{"name", "notes.txt"}, {"bytes", 1}, {"xxh3", "0"}});
  CHECK(parse_sealed(more).files.size() == 5);
  refused(ErrorKind::kConfig, "is of version 3, this lacuna reads versions up to 2",
          [](Json& m) { m["version"] = 3; });
  refused(ErrorKind::kConfig, "is of version 0", [](Json& m) { m["version"] = 0; });
}

TEST_CASE("a state comes back from its text") {
  const TrainingState state = parse_state(state_text(sample_state()), "state.json");
  CHECK(state.step == 30);
  CHECK(state.updates == 28);
  CHECK(state.best_bits == 2.5);
  CHECK(state.since_best == 1);
  CHECK_FALSE(state.evaluation_due);
  CHECK(state.data == "1234:56");
}

TEST_CASE("a state of another version or with values that are none is refused") {
  const std::string good = state_text(sample_state());
  expect_error(ErrorKind::kConfig, "is of version 2",
               [&] { parse_state(with(good, "\"version\": 1", "\"version\": 2"), "state.json"); });
  expect_damaged(with(good, "\"step\": 30", "\"step\": -30"), "'step' is no count");
  expect_damaged(with(good, "\"step\": 30", "\"step\": 1e+300"), "'step' is no count");
  expect_damaged(with(good, "\"step\": 30", "\"step\": 18446744073709551615"), "'step'");
  expect_damaged(with(good, "\"updates\": 28", "\"updates\": null"), "'updates' is no count");
  expect_damaged(with(good, "2.5", "\"2.5\""), "is damaged");
  expect_damaged(with(good, "false", "0"), "is damaged");
  expect_damaged(with(good, "\"step\"", "\"stop\""), "key 'step' not found");
  expect_damaged(with(good, ",\n", ",\n\n"), "not the JSON that lacuna writes");
}
