#include "shards_layout.h"

#include <sys/stat.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <filesystem>
#include <vector>

#include "lacuna/base/error.h"
#include "lacuna/base/files.h"
#include "lacuna/data/checksum.h"
#include "lacuna/data/format.h"

namespace lacuna {
namespace shards {
namespace {

constexpr std::string_view kSources = "sources.tsv", kEnds = "record_ends.bin",
                           kManifest = "manifest.json", kLock = "lock";
constexpr std::string_view kShardPrefix = "shard-", kShardSuffix = ".bin";

bool digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return std::isdigit(static_cast<unsigned char>(c)) != 0;
  });
}

bool is_shard_name(std::string_view name) {
  if (!name.starts_with(kShardPrefix) || !name.ends_with(kShardSuffix)) return false;
  name.remove_prefix(kShardPrefix.size());
  return name.size() > kShardSuffix.size() &&
         digits(name.substr(0, name.size() - kShardSuffix.size()));
}

std::string in_folder(const std::string& folder, std::string_view name) {
  return (std::filesystem::path(folder) / name).string();
}

}  // namespace

std::string shard_path(const std::string& folder, size_t shard) {
  char name[40];
  std::snprintf(name, sizeof name, "shard-%05zu.bin", shard);
  return in_folder(folder, name);
}

std::string sources_path(const std::string& folder) {
  return in_folder(folder, kSources);
}

std::string ends_path(const std::string& folder) {
  return in_folder(folder, kEnds);
}

std::string manifest_path(const std::string& folder) {
  return in_folder(folder, kManifest);
}

bool is_own_name(std::string_view name) {
  const size_t temporary = name.find(".tmp-");
  if (temporary != std::string_view::npos) {
    name = name.substr(0, temporary);
    return name == kManifest || name == kSources;
  }
  return name == kSources || name == kEnds || name == kManifest || name == kLock ||
         is_shard_name(name);
}

std::optional<Source> facts_of(const std::string& path) {
  struct stat facts {};
  if (stat(path.c_str(), &facts) != 0 || !S_ISREG(facts.st_mode)) return std::nullopt;
  return Source{.path = path,
                .size = facts.st_size,
                .time = int64_t{facts.st_mtim.tv_sec} * 1'000'000'000 + facts.st_mtim.tv_nsec};
}

void for_pieces(const std::string& path,
                const std::function<void(const std::byte*, size_t)>& work) {
  const FileReader file(path);
  std::vector<std::byte> bytes(kPiece);
  for (size_t done = 0; done < file.size(); done += kPiece) {
    const size_t count = std::min(kPiece, file.size() - done);
    file.read(done, count, bytes.data());
    work(bytes.data(), count);
  }
}

std::string checksum_of_file(const std::string& path) {
  Checksum checksum;
  for_pieces(path, [&](const std::byte* bytes, size_t count) { checksum.add(bytes, count); });
  return checksum.text();
}

}  // namespace shards

// By sources.tsv, which is there from the first moment to the last, and with its own first words: a
// file of that name may be anybody's. A folder that has lost it is still not read as other files.
bool is_prepared(const std::string& folder) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(folder, ignored)) return false;
  constexpr std::string_view kBegin = R"({"kind":"prepared data of lacuna")";
  constexpr std::string_view kManifestBegin = "{\n \"kind\": \"prepared data of lacuna\"";
  const auto begins = [](const std::string& path, std::string_view wanted) {
    if (!shards::facts_of(path)) return false;
    const FileReader file(path);
    std::string begin(std::min(file.size(), wanted.size()), '\0');
    file.read(0, begin.size(), reinterpret_cast<std::byte*>(begin.data()));
    return begin == wanted;
  };
  return begins(shards::sources_path(folder), kBegin) ||
         begins(shards::manifest_path(folder), kManifestBegin) ||
         (shards::facts_of(shards::shard_path(folder, 0)) &&
          shards::facts_of(shards::sources_path(folder)));
}

Recipe recipe_of(const DatasetConfig& config) {
  Recipe recipe{.format = config.format, .options = {}};
  for (const FormatOption& option : format_called(config.format).options) {
    if (option.decides_symbols) recipe.options[option.key] = config.values.shown(option);
  }
  return recipe;
}

}  // namespace lacuna
