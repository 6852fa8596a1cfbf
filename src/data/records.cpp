#include "lacuna/data/records.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <utility>

#include "lacuna/base/error.h"
#include "lacuna/base/text.h"
#include "lacuna/data/checksum.h"
#include "lacuna/data/shards.h"
#include "lacuna/data/split.h"
#include "record_cuts.h"
#include "stored_part.h"

namespace lacuna {
namespace {

struct PartRanges {
  std::array<std::vector<StoreRange>, 3> of;  // of each split

  void add(Split split, int64_t begin, int64_t end) {
    std::vector<StoreRange>& ranges = of[static_cast<size_t>(split)];
    if (begin == end) return;
    if (!ranges.empty() && ranges.back().end == begin) {
      ranges.back().end = end;
    } else {
      ranges.push_back({begin, end});
    }
  }
};

PartRanges ranges_between(const Bounds& bytes) {
  PartRanges ranges;
  for (const Split split : kSplits) {
    const auto p = static_cast<size_t>(split);
    ranges.add(split, bytes[p], bytes[p + 1]);
  }
  return ranges;
}

// "a" of "a=b", where "a=b" itself is not there.
std::pair<std::string, std::string> name_and_path(const std::string& entry) {
  std::error_code ignored;
  const size_t equals = entry.find('=');
  if (equals == std::string::npos || std::filesystem::exists(entry, ignored)) return {"", entry};
  const std::string name = entry.substr(0, equals);
  const bool word = !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_';
  });
  if (!word) return {"", entry};
  return {name, entry.substr(equals + 1)};
}

class Records final : public Dataset {
 public:
  Records(std::unique_ptr<Medium> medium, Parts parts,
          std::vector<std::shared_ptr<const RecordStore>> stores, bool apart,
          std::string description)
      : Dataset(std::move(medium), std::move(parts)),
        stores_(std::move(stores)),
        apart_(apart),
        description_(std::move(description)) {}

  std::string identity(const BetweenPieces& between_pieces) const override {
    if (stores_.size() == 1 && !apart_) {
      return str(stores_[0]->checksum(between_pieces), ':', stores_[0]->size());
    }
    Checksum checksum;
    int64_t all = 0;
    for (const auto& store : stores_) {
      const std::string own = str(store->checksum(between_pieces), ':', store->size(), '\n');
      checksum.add(own.data(), own.size());
      if (apart_) add_ends(*store, checksum);
      all += store->size();
    }
    return str(checksum.text(), ':', all);
  }

  std::string describe() const override { return description_; }

 private:
  // Where records end decides what the windows are.
  static void add_ends(const RecordStore& store, Checksum& checksum) {
    for (int64_t record = 1; record <= store.records(); ++record) {
      const int64_t end = store.record_begin(record);
      checksum.add(&end, sizeof end);
    }
  }

  std::vector<std::shared_ptr<const RecordStore>> stores_;
  bool apart_;
  std::string description_;
};

// Gathers what open_records() needs to know.
class Opening {
 public:
  Opening(const DatasetConfig& config, const Medium& medium, const RecordRules& rules)
      : config_(config), medium_(medium), rules_(rules) {}

  Parts parts() {
    check_apart();
    return has_paths_of_parts() ? parts_of_own_paths() : parts_of_one();
  }
  std::vector<std::shared_ptr<const RecordStore>> stores() const { return stores_; }

  std::string description(const Parts& parts) const {
    int64_t files = 0, size = 0, records = 0;
    for (const auto& store : stores_) {
      files += static_cast<int64_t>(store->files().size());
      size += store->size();
      records += store->records();
    }
    const bool in_records = rules_.cut == Cut::kRecords;
    const auto amount = [&](const Part& part) {
      return grouped(in_records ? part.records() : part.size());
    };
    std::string notes = note_;
    if (rules_.note) notes += "; " + rules_.note(parts);
    for (const auto& store : stores_) {
      if (!store->note().empty()) notes += "; " + store->note();
    }
    std::string text = str(
        config_.format, ": ", grouped(files), files == 1 ? " file, " : " files, ",
        grouped(in_records ? records : size), ' ', rules_.noun, ": train ", amount(*parts.train));
    for (const ValidationSet& set : parts.valid)
      text += str(", ", set.name, ' ', amount(*set.part));
    return str(text, ", test ", amount(*parts.test), passed_over(), notes);
  }

 private:
  bool has_paths_of_parts() const {
    return !config_.valid_paths.empty() || !config_.test_paths.empty();
  }

  SourceFiles sources(const std::vector<std::string>& paths) const {
    return source_files(paths, config_.suffixes.empty() ? rules_.suffixes : config_.suffixes,
                        config_.run);
  }

  // What is trained on may not be what is tested on.
  void check_apart() const {
    if (!has_paths_of_parts()) return;
    if (!config_.split.empty()) {
      throw Error(ErrorKind::kConfig, "data.split",
                  "contradicts data.valid_paths and data.test_paths, which say what the parts are",
                  "Leave it out, or leave the paths of the parts out");
    }
    std::vector<std::string> others;
    std::set<std::filesystem::path> prepared;
    for (const std::string& path : data_paths(config_)) {
      if (!is_prepared(path)) {
        others.push_back(path);
      } else if (!prepared.insert(std::filesystem::canonical(path)).second) {
        throw Error(ErrorKind::kConfig, "data.paths", "'" + path + "' is named twice",
                    "Name each folder once");
      }
    }
    if (!others.empty()) (void)sources(others);
  }

  std::shared_ptr<const RecordStore> open(const std::vector<std::string>& paths,
                                          const std::string& part) {
    const auto prepared = std::find_if(paths.begin(), paths.end(), is_prepared);
    if (prepared != paths.end()) {
      stores_.push_back(open_prepared(*prepared, paths));
      return stores_.back();
    }
    SourceFiles found = sources(paths);
    if (rules_.check_files) rules_.check_files(found.files);
    passed_over_.insert(passed_over_.end(), found.runs.begin(), found.runs.end());
    prepared_.insert(prepared_.end(), found.prepared.begin(), found.prepared.end());
    if (config_.preparation != nullptr) {
      stores_.push_back(prepare(std::move(found.files), part));
    } else {
      stores_.push_back(rules_.converter.convert ? store_in_memory(found.files, rules_.converter)
                                                 : store_of_files(found.files));
    }
    if (stores_.back()->size() == 0) {
      const std::string note = stores_.back()->note();
      throw Error(ErrorKind::kData, join(paths, ", "),
                  str("the data is empty", note.empty() ? "" : "; ", note),
                  "Check data.paths and data.suffixes");
    }
    return stores_.back();
  }

  std::unique_ptr<RecordStore> open_prepared(const std::string& folder,
                                             const std::vector<std::string>& paths) const {
    if (config_.preparation != nullptr) {
      throw Error(ErrorKind::kUsage, folder, "is prepared already",
                  "Name the files that it was made of");
    }
    if (paths.size() > 1) {
      throw Error(ErrorKind::kConfig, "data.paths",
                  "'" + folder +
                      "' is prepared data, which is all of a part, but other paths stand "
                      "beside it",
                  "Name it alone, or prepare all of the files together");
    }
    if (!config_.suffixes.empty()) {
      throw Error(ErrorKind::kConfig, "data.suffixes",
                  "chooses no files of prepared data, which '" + folder + "' is", "Leave it out");
    }
    return store_of_shards(folder, recipe_of(config_));
  }

  std::unique_ptr<RecordStore> prepare(std::vector<std::string> files,
                                       const std::string& part) const {
    Preparation& preparation = *config_.preparation;
    std::string folder = preparation.folder;
    if (!part.empty()) {
      std::string name = part;
      std::replace(name.begin(), name.end(), '/', '-');
      folder = (std::filesystem::path(folder) / name).string();
    }
    const Recipe recipe = recipe_of(config_);
    Prepared made = prepare_shards(folder, std::move(files), rules_.converter, recipe, preparation);
    made.part = part;
    preparation.made.push_back(std::move(made));
    return store_of_shards(folder, recipe);
  }

  std::unique_ptr<Part> part(const std::shared_ptr<const RecordStore>& store,
                             const std::vector<StoreRange>& ranges) const {
    return ranges.empty() ? empty_part() : stored_part(store, ranges, rules_.apart);
  }
  std::unique_ptr<Part> whole(const std::vector<std::string>& paths, const std::string& name) {
    const auto store = open(paths, name);
    return part(store, {{0, store->size()}});
  }

  Parts parts_of_own_paths() {
    if (config_.preparation != nullptr && is_prepared(config_.preparation->folder)) {
      throw Error(ErrorKind::kUsage, config_.preparation->folder,
                  "holds data that were prepared of all parts together",
                  "Choose another folder for those of parts with paths of their own");
    }
    Parts parts{.train = whole(config_.paths, "train")};
    std::vector<std::pair<std::string, std::vector<std::string>>> sets;
    for (const std::string& entry : config_.valid_paths) {
      const auto [name, path] = name_and_path(entry);
      auto set = std::find_if(sets.begin(), sets.end(),
                              [&, &n = name](const auto& other) { return other.first == n; });
      if (set == sets.end()) set = sets.insert(set, {name, {}});
      set->second.push_back(path);
    }
    for (const auto& [name, paths] : sets) {
      const std::string set = name.empty() ? "valid" : "valid/" + name;
      parts.valid.push_back({set, whole(paths, set)});
    }
    if (sets.empty()) parts.valid.push_back({"valid", empty_part()});
    if (!config_.test_paths.empty()) parts.test = whole(config_.test_paths, "test");
    return parts;
  }

  Parts parts_of_one() {
    const auto store = open(config_.paths, "");
    const PartRanges ranges = ranges_of(*store);
    Parts parts{.train = part(store, ranges.of[0])};
    parts.valid.push_back({"valid", part(store, ranges.of[1])});
    parts.test = part(store, ranges.of[2]);
    return parts;
  }

  PartRanges ranges_of(const RecordStore& store) {
    if (config_.split.empty() && rules_.own_parts) {
      const std::vector<Split> own = rules_.own_parts(store);
      PartRanges ranges;
      for (size_t r = 0; r < own.size(); ++r) {
        const auto record = static_cast<int64_t>(r);
        ranges.add(own[r], store.record_begin(record), store.record_begin(record + 1));
      }
      if (!own.empty()) return ranges;
    }
    const std::string text = config_.split.empty() ? kUsualSplit : config_.split;
    const Bounds bounds = cut(store, rules_, text, medium_.grid().alignment);
    note_cuts(store, bounds);
    return ranges_between(bounds);
  }

  // Of several files one is cut through: that is said. Of a lone one it is clear.
  void note_cuts(const RecordStore& store, const Bounds& bounds) {
    if (store.files().size() == 1 && !rules_.apart) return;
    std::vector<std::string> names;
    for (const int64_t bound : {bounds[1], bounds[2], bounds[3]}) {
      if (bound == 0 || bound == store.size()) continue;
      int64_t record = nearest_end(store, bound);
      if (store.record_begin(record) == bound) continue;
      if (store.record_begin(record) > bound) --record;
      names.push_back(store.record_name(record));
    }
    names.erase(std::unique(names.begin(), names.end()), names.end());
    if (!names.empty()) note_ = "; data.split cuts through " + printable(join(names, " and "));
  }

  std::string passed_over() const {
    return named("; passed over the files of runs in ", passed_over_) +
           named("; passed over the prepared data in ", prepared_);
  }

  // Names the first few folders.
  static std::string named(const char* what, const std::vector<std::string>& folders) {
    constexpr size_t kMost = 3;
    if (folders.empty()) return "";
    const size_t shown = std::min(kMost, folders.size());
    const std::vector<std::string> names(folders.begin(),
                                         folders.begin() + static_cast<int64_t>(shown));
    const size_t more = folders.size() - shown;
    return str(what, printable(join(names, ", ")), more > 0 ? str(" and ", more, " more") : "");
  }

  const DatasetConfig& config_;
  const Medium& medium_;
  const RecordRules& rules_;
  std::vector<std::shared_ptr<const RecordStore>> stores_;
  std::vector<std::string> passed_over_;  // folders of runs
  std::vector<std::string> prepared_;     // folders of prepared data that were passed over, too
  std::string note_;
};

}  // namespace

std::vector<std::string> data_paths(const DatasetConfig& config) {
  std::vector<std::string> all = config.paths;
  for (const std::string& entry : config.valid_paths) all.push_back(name_and_path(entry).second);
  all.insert(all.end(), config.test_paths.begin(), config.test_paths.end());
  return all;
}

std::unique_ptr<Dataset> open_records(const DatasetConfig& config, std::unique_ptr<Medium> medium,
                                      const RecordRules& rules) {
  if (config.preparation != nullptr && !rules.converter.convert) {
    throw Error(ErrorKind::kUsage, "data.format",
                config.format + " is read as the files are: there is nothing to prepare",
                "Train on them as they are");
  }
  Opening opening(config, *medium, rules);
  Parts parts = opening.parts();
  const std::string description = opening.description(parts);
  return std::make_unique<Records>(std::move(medium), std::move(parts), opening.stores(),
                                   rules.apart, description);
}

std::vector<int64_t> training_stretches(const Part& part, int64_t window) {
  if (!part.records_apart() || part.records() == 0) return {0};
  std::vector<int64_t> begins;
  int64_t begin = 0;
  for (int64_t record = 0; record < part.records(); ++record) {
    const int64_t end = part.record_begin(record + 1);
    if (end - begin < window) continue;
    begins.push_back(begin);
    begin = end;
  }
  if (begins.empty()) begins.push_back(0);
  return begins;
}

std::string short_records(const Dataset& data, int64_t window) {
  std::vector<std::string> counts;
  for (const auto& [name, part] : data.parts()) {
    if (!part->records_apart()) continue;
    int64_t shorter = 0;
    for (int64_t record = 0; record < part->records(); ++record) {
      if (part->record_begin(record + 1) - part->record_begin(record) < window) ++shorter;
    }
    if (shorter > 0) {
      counts.push_back(str(grouped(shorter), " of ", grouped(part->records()), " of ", name));
    }
  }
  if (counts.empty()) return "";
  return str("files shorter than the context of ", grouped(window), ": ", join(counts, ", "),
             "; they are joined with their neighbours to train on, and each is scored by itself");
}

}  // namespace lacuna
