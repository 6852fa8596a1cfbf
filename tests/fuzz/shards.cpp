// The bytes as manifest.json of prepared data, as what such a manifest says (with the checksum that
// no fuzzer would find), and as sources.tsv.
#include <nlohmann/json.hpp>
#include <numeric>

#include "../../src/data/shards_layout.h"
#include "lacuna/data/checksum.h"
#include "targets.h"

namespace lacuna::fuzz {
namespace {

using Json = nlohmann::ordered_json;

void parse_shards_manifest(const std::string& text) {
  const lacuna::shards::Manifest manifest = lacuna::shards::parse_manifest(text, "fuzzed");
  promise(manifest.records > 0 && manifest.symbols >= manifest.records);
  promise(std::accumulate(manifest.shards.begin(), manifest.shards.end(), int64_t{0}) ==
          manifest.symbols);
  promise(manifest.record_size == 0 || manifest.records * manifest.record_size == manifest.symbols);
  promise(lacuna::shards::parse_manifest(lacuna::shards::manifest_text(manifest), "written") ==
          manifest);
}

std::string sealed_shards(Json json) {
  const auto dumped = [&](int indent) {
    return json.dump(indent, ' ', false, Json::error_handler_t::replace);
  };
  json.erase("checksum");
  const std::string flat = dumped(-1);
  Checksum checksum;
  checksum.add(flat.data(), flat.size());
  json["checksum"] = checksum.text();
  return dumped(1) + "\n";
}

}  // namespace

void shards(std::string_view bytes) {
  const std::string text(bytes);
  answer([&] { parse_shards_manifest(text); });
  const bool shallow = bytes.size() < 1000;  // this function's own recursion is not what is tested
  const Json json = shallow ? Json::parse(text, nullptr, false) : Json();
  if (json.is_object()) {
    answer([&] { parse_shards_manifest(sealed_shards(json)); });
  }
  answer([&] {
    const lacuna::shards::SourceTable table = lacuna::shards::parse_sources(bytes, "fuzzed");
    std::string written = table.header + "\n";
    for (const Source& source : table.sources) {
      promise(source.records >= 0 && source.size >= 0);
      written += lacuna::shards::source_line(source) + "\n";
    }
    if (table.header.empty()) return;
    promise(table.whole <= bytes.size());
    promise(lacuna::shards::parse_sources(written, "written").sources == table.sources);
  });
}

}  // namespace lacuna::fuzz
