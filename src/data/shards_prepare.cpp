#include <algorithm>
#include <filesystem>
#include <optional>
#include <utility>

#include "lacuna/base/error.h"
#include "lacuna/base/facts.h"
#include "lacuna/base/files.h"
#include "lacuna/base/text.h"
#include "shards_writer.h"

namespace lacuna {
namespace {

namespace fs = std::filesystem;
using namespace shards;

[[noreturn]] void fail_to(const char* action, const std::string& path,
                          const std::error_code& failure) {
  throw Error(ErrorKind::kIo, path, str("cannot ", action, ": ", failure.message()));
}

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code failure;
  fs::directory_iterator entry(folder, failure);
  for (; !failure && entry != fs::directory_iterator(); entry.increment(failure)) {
    names.push_back(entry->path().filename().string());
  }
  if (failure) fail_to("read the folder", folder, failure);
  std::sort(names.begin(), names.end());
  return names;
}

bool is_passing(const std::string& name) {
  return name == "lock" || name.find(".tmp-") != std::string::npos;
}

// Nothing is written among files of others, nor over them.
void check_own(const std::string& folder) {
  const std::vector<std::string> names = names_in(folder);
  auto foreign = std::find_if_not(names.begin(), names.end(), is_own_name);
  if (foreign == names.end() && !is_prepared(folder)) {
    foreign = std::find_if_not(names.begin(), names.end(), is_passing);
  }
  if (foreign == names.end()) return;
  throw Error(ErrorKind::kUsage, (fs::path(folder) / *foreign).string(),
              "is not of prepared data, so nothing is written into its folder",
              "Choose an empty folder, or one that is not there yet, with --output");
}

void remove_from(const std::string& folder, const std::string& name) {
  std::error_code failure;
  fs::remove(fs::path(folder) / name, failure);
  if (failure) fail_to("remove", (fs::path(folder) / name).string(), failure);
}

// What a process that was killed left behind; the caller holds the lock.
void clear_temporaries(const std::string& folder) {
  for (const std::string& name : names_in(folder)) {
    if (is_own_name(name) && is_passing(name) && name != "lock") remove_from(folder, name);
  }
}

// The manifest first, without which the rest is unfinished, and the table by which the folder is
// known last.
void clear(const std::string& folder) {
  std::vector<std::string> names = names_in(folder);
  const auto rank = [](const std::string& name) {
    return name == "manifest.json" ? 0 : name == "sources.tsv" ? 2 : 1;
  };
  std::sort(names.begin(), names.end(),
            [&](const auto& a, const auto& b) { return rank(a) < rank(b); });
  for (const std::string& name : names) {
    if (name != "lock") remove_from(folder, name);
  }
}

std::vector<Source> sources_of(const std::vector<std::string>& files) {
  std::vector<Source> sources;
  sources.reserve(files.size());
  for (const std::string& file : files) {
    sources.push_back(facts_of(file).value_or(Source{.path = file}));  // the converter complains
  }
  return sources;
}

Prepared result_of(const std::string& folder, const Manifest& manifest,
                   const std::vector<Source>& sources) {
  Prepared prepared{.folder = folder,
                    .sources = std::ssize(sources),
                    .records = manifest.records,
                    .symbols = manifest.symbols,
                    .xxh3 = manifest.xxh3};
  for (const Source& source : sources) {
    if (!source.reason.empty()) prepared.left_out.push_back(source.reason);
  }
  return prepared;
}

bool same_files(const std::vector<Source>& stored, const std::vector<Source>& now) {
  return std::equal(stored.begin(), stored.end(), now.begin(), now.end(),
                    [](const Source& a, const Source& b) {
                      return a.path == b.path && a.size == b.size && a.time == b.time;
                    });
}

// Where relative paths start; nothing where there are none.
std::string start_of_paths(const std::vector<std::string>& files) {
  const bool relative = std::any_of(files.begin(), files.end(), [](const std::string& file) {
    return fs::path(file).is_relative();
  });
  return relative ? fs::current_path().string() : "";
}

// What an earlier call has finished, of these files as they are now. Another version of lacuna may
// have written another header.
Prepared finished(const std::string& folder, const Recipe& recipe, const std::string& header,
                  const std::vector<Source>& sources) {
  const std::string hint = "Give --overwrite to replace it, or another folder";
  const Manifest manifest = parse_manifest(read_text(manifest_path(folder)), manifest_path(folder));
  const SourceTable table = parse_sources(read_text(sources_path(folder)), sources_path(folder));
  if (manifest.recipe != recipe) {
    throw Error(ErrorKind::kUsage, folder, "holds data that were prepared with other options",
                hint);
  }
  const std::string start = parse_sources(header + "\n", sources_path(folder)).folder;
  if (table.folder != start || !same_files(table.sources, sources)) {
    throw Error(ErrorKind::kUsage, folder,
                "holds data that were prepared from other files, or from these before they changed",
                hint);
  }
  std::error_code ignored;
  if (manifest.record_size > 0) fs::remove(ends_path(folder), ignored);
  Prepared prepared = result_of(folder, manifest, table.sources);
  prepared.was_there = true;
  return prepared;
}

class Work {
 public:
  Work(const std::string& folder, const std::vector<Source>& sources,
       const Preparation& preparation)
      : sources_(sources), preparation_(preparation) {
    progress_.folder = folder;
    progress_.all_files = sources.size();
    for (const Source& source : sources) progress_.all_bytes += source.size;
  }

  void check(int64_t done, int64_t all) {
    progress_.checked = done;
    progress_.all_to_check = all;
    tell();
  }
  void show(const Writer& writer) {
    for (; progress_.files < writer.sources_done(); ++progress_.files) {
      progress_.bytes += sources_[progress_.files].size;
    }
    progress_.checked = progress_.all_to_check = 0;
    progress_.symbols = writer.symbols();
    tell();
  }

 private:
  void tell() const {
    if (preparation_.progress) preparation_.progress(progress_);
  }

  const std::vector<Source>& sources_;
  const Preparation& preparation_;
  PreparationProgress progress_;
};

Manifest convert(const std::string& folder, std::vector<std::string> files,
                 const Converter& converter, const std::string& header,
                 std::vector<Source>& sources, const Preparation& preparation) {
  Work work(folder, sources, preparation);
  Writer writer(folder, preparation.shard_bytes, header, sources,
                [&](int64_t done, int64_t all) { work.check(done, all); });
  writer.set_between([&] { work.show(writer); });
  files.erase(files.begin(), files.begin() + static_cast<int64_t>(writer.sources_done()));
  try {
    work.show(writer);
    convert_files(files, converter, writer, [&](size_t) { work.show(writer); });
    return writer.finish();
  } catch (...) {
    try {
      writer.keep_whole();
    } catch (const Error&) {  // as on a full disk: what was kept before that stays
    }
    throw;
  }
}

}  // namespace

Prepared prepare_shards(const std::string& folder, std::vector<std::string> files,
                        Converter converter, const Recipe& recipe, Preparation& preparation) {
  std::error_code failure;
  fs::create_directories(folder, failure);
  if (failure) fail_to("make the folder", folder, failure);
  check_own(folder);
  const FolderLock lock(folder);
  clear_temporaries(folder);
  std::vector<Source> sources = sources_of(files);
  if (preparation.overwrite) clear(folder);
  const std::string header = header_line(recipe, start_of_paths(files));
  if (facts_of(manifest_path(folder))) return finished(folder, recipe, header, sources);
  converter.skip_bad = converter.skip_bad || preparation.skip_bad;
  Manifest manifest = convert(folder, std::move(files), converter, header, sources, preparation);
  if (manifest.records == 0) {
    throw Error(ErrorKind::kData, folder, "no records have come out of the files",
                "Check data.paths and data.suffixes");
  }
  manifest.lacuna = build_facts().version;
  manifest.recipe = recipe;
  write_atomic(manifest_path(folder), manifest_text(manifest));
  if (manifest.record_size > 0) fs::remove(ends_path(folder), failure);
  return result_of(folder, manifest, sources);
}

}  // namespace lacuna
