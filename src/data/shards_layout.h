// The files of prepared data:
//   shard-00000.bin ...  the records one after the other, about 1 GiB each, no record in two
//   sources.tsv          a line on how it is made, then one for each file that was converted
//   record_ends.bin      the end of each record as 64-bit numbers; only if they differ in size
//   manifest.json        what there is, and checksums; written last: without it the rest is
//                        unfinished, and sources.tsv tells how far it is
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lacuna/data/shards.h"

namespace lacuna::shards {

struct Manifest {
  std::string lacuna;  // version of the program
  Recipe recipe;
  int64_t records = 0, symbols = 0;
  int64_t record_size = 0;      // 0: they differ
  std::string xxh3;             // of all symbols
  std::vector<int64_t> shards;  // bytes of each
  std::string sources_xxh3;     // of sources.tsv
  std::string ends_xxh3;        // of record_ends.bin; empty where there is none

  bool operator==(const Manifest&) const = default;
};

/// The same bytes for the same manifest.
std::string manifest_text(const Manifest& manifest);
/// Throws Error(kData) unless the text is whole, and its numbers fit one another; Error(kConfig)
/// for another layout.
Manifest parse_manifest(const std::string& text, const std::string& path);

/// The first line of sources.tsv. `folder`: where relative paths start; empty where there are none.
std::string header_line(const Recipe& recipe, const std::string& folder);
std::string source_line(const Source& source);

struct SourceTable {
  std::string header;  // the line
  std::string folder;
  std::vector<Source> sources;
  size_t whole = 0;  // bytes of the lines that have an end
};
/// Of a last line without an end nothing is said but by `whole`. Throws Error(kData).
SourceTable parse_sources(std::string_view text, const std::string& path);

/// Size and time; nothing where there is no regular file.
std::optional<Source> facts_of(const std::string& path);

std::string shard_path(const std::string& folder, size_t shard);
std::string sources_path(const std::string& folder);
std::string ends_path(const std::string& folder);
std::string manifest_path(const std::string& folder);
/// Whether a name is one of the above, of a temporary of them, or of the lock.
bool is_own_name(std::string_view name);

/// Calls work(bytes, count) for one piece of the file after the other; their sizes are kPiece, but
/// for the last.
void for_pieces(const std::string& path, const std::function<void(const std::byte*, size_t)>& work);
/// The XXH3 of a file's bytes.
std::string checksum_of_file(const std::string& path);

}  // namespace lacuna::shards
