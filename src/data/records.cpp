#include "lacuna/data/records.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <utility>

#include "lacuna/base/error.h"
#include "lacuna/base/text.h"
#include "lacuna/data/checksum.h"
#include "lacuna/data/split.h"
#include "stored_part.h"

namespace lacuna {
namespace {

using Bounds = std::array<int64_t, 4>;  // part p is [bounds[p], bounds[p + 1])

// The end of a record that is the nearest to a byte, as the number of records before it.
int64_t nearest_end(const RecordStore& store, int64_t byte) {
  int64_t record = 0;
  while (record < store.records() && store.record_begin(record + 1) <= byte) ++record;
  if (record == store.records()) return record;
  return byte - store.record_begin(record) > store.record_begin(record + 1) - byte ? record + 1
                                                                                   : record;
}

// Bounds in records, as near to those in bytes as they can be while every part that is to have
// something has a record. Needs as many records as there are such parts.
Bounds whole_records(const RecordStore& store, const Bounds& bytes) {
  Bounds records{};
  std::array<int64_t, 4> least{};  // of part p: 1 where it is to have something
  for (size_t p = 0; p < 3; ++p) least[p] = bytes[p + 1] > bytes[p] ? 1 : 0;
  for (size_t p = 0; p < 3; ++p) {
    records[p + 1] = std::max(nearest_end(store, bytes[p + 1]), records[p] + least[p]);
  }
  int64_t most = store.records();
  for (size_t p = 3; p > 0; --p) {
    records[p] = std::min(records[p], most);
    most = records[p] - least[p - 1];
  }
  return records;
}

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

Bounds in_bytes(const RecordStore& store, Bounds records) {
  for (int64_t& bound : records) bound = store.record_begin(bound);
  return records;
}

// Bounds by data.split, at multiples of `alignment` where records are cut.
Bounds cut(const RecordStore& store, const RecordRules& rules, const std::string& text,
           int64_t alignment) {
  if (rules.cut == Cut::kRecords) {
    return in_bytes(store, parse_split(text, store.records(), rules.noun).bounds);
  }
  const SplitBounds counted = parse_split(text, int64_t{1} << 60);
  if (rules.cut == Cut::kFiles && counted.counts) {
    return in_bytes(store, parse_split(text, store.records(), "files").bounds);
  }
  Bounds bytes = parse_split(text, store.size()).bounds;
  const auto parts =
      std::count_if(bytes.begin() + 1, bytes.end(), [before = int64_t{0}](int64_t bound) mutable {
        return bound > std::exchange(before, bound);
      });
  if (rules.cut == Cut::kFiles && store.records() > 1 && store.records() >= parts) {
    return in_bytes(store, whole_records(store, bytes));
  }
  for (int64_t& bound : bytes) bound -= bound % alignment;
  return bytes;
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
          std::vector<std::shared_ptr<const RecordStore>> stores, std::string description)
      : Dataset(std::move(medium), std::move(parts)),
        stores_(std::move(stores)),
        description_(std::move(description)) {}

  std::string identity(const BetweenPieces& between_pieces) const override {
    Checksum checksum;
    int64_t all = 0;
    std::vector<std::byte> bytes(kPiece);
    for (const auto& store : stores_) {
      for (int64_t done = 0; done < store->size(); done += static_cast<int64_t>(kPiece)) {
        if ((all > 0 || done > 0) && between_pieces) between_pieces();
        const int64_t count = std::min(static_cast<int64_t>(kPiece), store->size() - done);
        store->read(done, count, bytes.data());
        checksum.add(bytes.data(), static_cast<size_t>(count));
      }
      all += store->size();
    }
    return str(checksum.text(), ':', all);
  }

  std::string describe() const override { return description_; }

 private:
  std::vector<std::shared_ptr<const RecordStore>> stores_;
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
    (void)sources(data_paths(config_));
  }

  std::shared_ptr<const RecordStore> open(const std::vector<std::string>& paths) {
    const SourceFiles found = sources(paths);
    if (rules_.check_files) rules_.check_files(found.files);
    passed_over_.insert(passed_over_.end(), found.runs.begin(), found.runs.end());
    stores_.push_back(rules_.converter.convert ? store_in_memory(found.files, rules_.converter)
                                               : store_of_files(found.files));
    if (stores_.back()->size() == 0) {
      const std::string note = stores_.back()->note();
      throw Error(ErrorKind::kData, join(paths, ", "),
                  str("the data is empty", note.empty() ? "" : "; ", note),
                  "Check data.paths and data.suffixes");
    }
    return stores_.back();
  }

  std::unique_ptr<Part> part(const std::shared_ptr<const RecordStore>& store,
                             const std::vector<StoreRange>& ranges) const {
    return ranges.empty() ? empty_part() : stored_part(store, ranges, rules_.apart);
  }
  std::unique_ptr<Part> whole(const std::vector<std::string>& paths) {
    const auto store = open(paths);
    return part(store, {{0, store->size()}});
  }

  Parts parts_of_own_paths() {
    Parts parts{.train = whole(config_.paths)};
    std::vector<std::pair<std::string, std::vector<std::string>>> sets;
    for (const std::string& entry : config_.valid_paths) {
      const auto [name, path] = name_and_path(entry);
      auto set = std::find_if(sets.begin(), sets.end(),
                              [&, &n = name](const auto& other) { return other.first == n; });
      if (set == sets.end()) set = sets.insert(set, {name, {}});
      set->second.push_back(path);
    }
    for (const auto& [name, paths] : sets) {
      parts.valid.push_back({name.empty() ? "valid" : "valid/" + name, whole(paths)});
    }
    if (sets.empty()) parts.valid.push_back({"valid", empty_part()});
    if (!config_.test_paths.empty()) parts.test = whole(config_.test_paths);
    return parts;
  }

  Parts parts_of_one() {
    const auto store = open(config_.paths);
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

  // Names the first few runs.
  std::string passed_over() const {
    constexpr size_t kMost = 3;
    if (passed_over_.empty()) return "";
    const size_t named = std::min(kMost, passed_over_.size());
    const std::vector<std::string> names(passed_over_.begin(),
                                         passed_over_.begin() + static_cast<int64_t>(named));
    const size_t more = passed_over_.size() - named;
    return str("; passed over the files of runs in ", printable(join(names, ", ")),
               more > 0 ? str(" and ", more, " more") : "");
  }

  const DatasetConfig& config_;
  const Medium& medium_;
  const RecordRules& rules_;
  std::vector<std::shared_ptr<const RecordStore>> stores_;
  std::vector<std::string> passed_over_;  // folders of runs
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
  Opening opening(config, *medium, rules);
  Parts parts = opening.parts();
  const std::string description = opening.description(parts);
  return std::make_unique<Records>(std::move(medium), std::move(parts), opening.stores(),
                                   description);
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
