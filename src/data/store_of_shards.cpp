#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <filesystem>

#include "file_row.h"
#include "lacuna/base/error.h"
#include "lacuna/base/text.h"
#include "shards_layout.h"

namespace lacuna {
namespace {

namespace fs = std::filesystem;
using namespace shards;

constexpr const char* kSlowStart =
    "; its shards are newer than its manifest, so every start reads them all, until `lacuna data "
    "check` has";
constexpr const char* kAgain = "Prepare it again, with --overwrite";

[[noreturn]] void refuse(const std::string& path, const std::string& message) {
  throw Error(ErrorKind::kData, path, message, kAgain);
}

void check_recipe(const std::string& folder, const Recipe& stored, const Recipe& wanted) {
  if (stored.format != wanted.format) {
    throw Error(ErrorKind::kConfig, folder,
                str("was prepared with data.format = ", stored.format, ", but data.format is ",
                    wanted.format),
                "Give the format of then, or prepare the files again");
  }
  std::vector<std::string> keys;
  for (const Recipe* recipe : {&stored, &wanted}) {
    for (const auto& [key, value] : recipe->options) keys.push_back(key);
  }
  const auto value = [](const Recipe& recipe, const std::string& key) {
    const auto found = recipe.options.find(key);
    return found == recipe.options.end() ? "(no such option)" : "'" + found->second + "'";
  };
  for (const std::string& key : keys) {
    if (value(stored, key) == value(wanted, key)) continue;
    throw Error(ErrorKind::kConfig, folder,
                str("was prepared with data.", key, " = ", value(stored, key), ", but data.", key,
                    " is ", value(wanted, key)),
                "Give the value of then, or prepare the files again");
  }
}

// Those that are gone may have been left on another machine.
void check_sources(const std::string& folder, const SourceTable& table) {
  std::atomic<size_t> changed = table.sources.size();
#pragma omp parallel for schedule(static)
  for (size_t i = 0; i < table.sources.size(); ++i) {
    const Source& stored = table.sources[i];
    const auto now = facts_of((fs::path(table.folder) / stored.path).string());
    if (!now || (now->size == stored.size && now->time == stored.time)) continue;
    size_t first = changed;
    while (i < first && !changed.compare_exchange_weak(first, i)) {
    }
  }
  if (changed == table.sources.size()) return;
  const std::string& path = table.sources[changed].path;
  throw Error(ErrorKind::kData, folder, "is stale: " + path + " has changed since it was converted",
              kAgain);
}

std::vector<int64_t> ends_in(const std::string& path, const Manifest& manifest) {
  std::vector<int64_t> ends;
  for_pieces(path, [&](const std::byte* bytes, size_t count) {
    const size_t before = ends.size();
    ends.resize(before + count / sizeof(int64_t));
    std::memcpy(ends.data() + before, bytes, count / sizeof(int64_t) * sizeof(int64_t));
  });
  int64_t end = 0;
  for (const int64_t next : ends) {
    if (next <= end) refuse(path, "is damaged: its ends do not ascend");
    end = next;
  }
  if (std::ssize(ends) != manifest.records || end != manifest.symbols) {
    refuse(path, "is damaged: it does not fit the manifest");
  }
  return ends;
}

void check_checksum(const std::string& path, const std::string& expected) {
  if (checksum_of_file(path) == expected) return;
  refuse(path, "is damaged: its checksum is not the one in the manifest");
}

Manifest manifest_of(const std::string& folder) {
  const std::string path = manifest_path(folder);
  if (!facts_of(path)) {
    throw Error(ErrorKind::kData, folder, "holds data whose preparation is not finished",
                "Run `lacuna data prepare` again, as it was begun: it goes on where it stopped");
  }
  return parse_manifest(read_text(path), path);
}

class StoreOfShards final : public RecordStore {
 public:
  /// Made by any recipe, where none is `wanted`.
  StoreOfShards(const std::string& folder, const Recipe* wanted)
      : folder_(folder), manifest_(manifest_of(folder)) {
    if (wanted != nullptr) check_recipe(folder, manifest_.recipe, *wanted);
    open_shards();
    read_sources();
    if (manifest_.record_size > 0) return;
    check_checksum(ends_path(folder), manifest_.ends_xxh3);
    ends_ = ends_in(ends_path(folder), manifest_);
  }

  Prepared facts() const {
    return {.folder = folder_,
            .sources = sources_,
            .records = manifest_.records,
            .symbols = manifest_.symbols,
            .xxh3 = manifest_.xxh3,
            .left_out = left_out_};
  }

  int64_t size() const override { return row_.size(); }
  int64_t records() const override { return manifest_.records; }
  int64_t record_begin(int64_t record) const override {
    if (manifest_.record_size > 0) return record * manifest_.record_size;
    return record == 0 ? 0 : ends_[static_cast<size_t>(record - 1)];
  }
  const std::vector<StoredFile>& files() const override { return files_; }
  void read(int64_t begin, int64_t count, std::byte* out) const override {
    row_.read(begin, count, out);
  }

  std::string checksum(const BetweenPieces& between_pieces) const override {
    return newer_.empty() ? manifest_.xxh3 : checked(between_pieces);
  }
  /// Of what is on the disk, which must be what the manifest says.
  std::string checked(const BetweenPieces& between_pieces) const {
    if (RecordStore::checksum(between_pieces) == manifest_.xxh3) return manifest_.xxh3;
    refuse(folder_, "is damaged: the checksum of its shards is not the one in the manifest");
  }

  std::string note() const override {
    const std::string left_out = note_on(left_out_);
    return str("prepared in ", printable(folder_), left_out.empty() ? "" : "; ", left_out,
               newer_.empty() ? "" : kSlowStart);
  }

 private:
  void open_shards() {
    const int64_t written = facts_of(manifest_path(folder_)).value_or(Source{}).time;
    for (size_t shard = 0; shard < manifest_.shards.size(); ++shard) {
      const std::string path = shard_path(folder_, shard);
      const auto facts = facts_of(path);
      if (!facts) refuse(path, "is missing");
      if (facts->size != manifest_.shards[shard]) {
        refuse(path, str("has ", grouped(facts->size), " bytes, the manifest says ",
                         grouped(manifest_.shards[shard])));
      }
      if (facts->time > written) newer_ = path;
      row_.append(FileReader(path));
    }
  }

  void read_sources() {
    const std::string path = sources_path(folder_);
    check_checksum(path, manifest_.sources_xxh3);
    SourceTable table = parse_sources(read_text(path), path);
    check_sources(folder_, table);
    sources_ = std::ssize(table.sources);
    int64_t records = 0;
    for (Source& source : table.sources) {
      if (source.records > manifest_.records - records) break;
      if (!source.reason.empty()) left_out_.push_back(std::move(source.reason));
      if (source.records > 0) files_.push_back({std::move(source.path), records});
      records += source.records;
    }
    if (records == manifest_.records) return;
    refuse(path, "is damaged: its records are not those of the manifest");
  }

  std::string folder_;
  Manifest manifest_;
  FileRow row_;
  std::string newer_;  // a shard that was written after the manifest, whose checksum may not hold
  int64_t sources_ = 0;
  BadFiles left_out_;
  std::vector<StoredFile> files_;
  std::vector<int64_t> ends_;
};

}  // namespace

std::unique_ptr<RecordStore> store_of_shards(const std::string& folder, const Recipe& recipe) {
  return std::make_unique<StoreOfShards>(folder, &recipe);
}

Prepared check_shards(const std::string& folder, const BetweenPieces& between_pieces) {
  const StoreOfShards store(folder, nullptr);
  (void)store.checked(between_pieces);
  // Where that is refused, as in a folder of others, the next run reads everything once more.
  utimensat(AT_FDCWD, manifest_path(folder).c_str(), nullptr, 0);
  return store.facts();
}

}  // namespace lacuna
