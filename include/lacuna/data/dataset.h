// Data sets: parts to train, validate and test on, each a long row of symbols, whatever the files
// behind it.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lacuna/base/files.h"
#include "lacuna/data/format_options.h"
#include "lacuna/data/medium.h"

namespace lacuna {

struct Preparation;

enum class Split { kTrain, kValid, kTest };
inline constexpr std::array<Split, 3> kSplits = {Split::kTrain, Split::kValid, Split::kTest};

/// "train", "valid", "test".
const char* split_name(Split split);

struct DatasetConfig {
  std::string format;                    // a name of src/data/datasets.def
  std::vector<std::string> paths;        // files or folders
  std::vector<std::string> valid_paths;  // each a path, or NAME=PATH for a set of that name
  std::vector<std::string> test_paths;
  std::string suffixes;  // which files of a folder, such as ".cpp .h"; empty: those of the format
  std::string split;     // as parse_split in data/split.h understands it; empty: as the format does
  FormatValues values;   // of the format's own options
  std::string run;  // folder of the run that reads the data, which may not exist yet; no data in it
  Preparation* preparation = nullptr;  // opening converts the files into folders: data/shards.h
};

/// A row of symbols. Constant after construction: every member function may be called by several
/// threads at once.
class Part {
 public:
  virtual ~Part() = default;

  /// Number of symbols.
  virtual int64_t size() const = 0;
  /// Copies symbols [begin, begin + count) to out; throws Error(kInternal) when they are not all
  /// there, and Error(kData) when they cannot be read any more.
  void read(int64_t begin, int64_t count, int32_t* out) const;

  /// What the part is made of: texts, pictures, sounds. One or more, unless the part is empty.
  virtual int64_t records() const { return size() > 0 ? 1 : 0; }
  /// The first symbol of a record; of records(): size(). Throws nothing for these.
  virtual int64_t record_begin(int64_t record) const { return record == 0 ? 0 : size(); }
  /// Where the record comes from: its file, and its number there where the file has several.
  virtual std::string record_name(int64_t) const { return ""; }
  /// Whether no window may reach over the end of a record.
  virtual bool records_apart() const { return false; }

  /// Entropy in bits per symbol, where that is known: no model can be better on average.
  virtual std::optional<double> floor_bits() const { return std::nullopt; }

 private:
  virtual void do_read(int64_t begin, int64_t count, int32_t* out) const = 0;
};

/// The record that a symbol of a part belongs to.
int64_t record_at(const Part& part, int64_t symbol);

/// A part without symbols.
std::unique_ptr<Part> empty_part();

struct ValidationSet {
  std::string name;  // "valid", or "valid/NAME" of a set with a name
  std::unique_ptr<Part> part;
};

/// What is in a data set, without its meaning. There is at least one validation set, and any part
/// may be empty.
struct Parts {
  std::unique_ptr<Part> train = empty_part();
  std::vector<ValidationSet> valid;
  std::unique_ptr<Part> test = empty_part();
};

/// Constant after construction, as its parts are.
class Dataset {
 public:
  /// Takes the parts over.
  Dataset(std::unique_ptr<Medium> medium, Parts parts);
  virtual ~Dataset() = default;

  const Medium& medium() const { return *medium_; }
  /// Of validation the first set.
  const Part& part(Split split) const;
  const Part& train() const { return *parts_.train; }
  /// The first of them tells which weights are the best.
  const std::vector<ValidationSet>& valid() const { return parts_.valid; }
  const Part& test() const { return *parts_.test; }

  struct NamedPart {
    std::string name;
    const Part* part;
  };
  /// "train", the validation sets, "test".
  std::vector<NamedPart> parts() const;
  /// The part of that name. Throws Error(kUsage) with the names that there are.
  const Part& part(const std::string& name) const;

  /// Same symbols, same data, whatever the split; ends in ':' and the number of all symbols. Of
  /// files a 64-bit hash of all symbols (and of where sounds end) comes before, as 16 hex digits,
  /// independent of the files' names, or, where the parts have paths of their own, of the hashes
  /// and sizes of these; reads everything at each call, but for prepared data. Throws what
  /// `between_pieces` throws.
  virtual std::string identity(const BetweenPieces& between_pieces = {}) const = 0;
  /// One line for humans.
  virtual std::string describe() const = 0;

 private:
  std::unique_ptr<Medium> medium_;
  Parts parts_;
};

/// Throws Error(kConfig) for an unknown format, options of it that do not go together, or a split
/// that fits no data at all.
void check_dataset(const DatasetConfig& config);

/// What the symbols of a data set mean, without opening it. Throws Error(kConfig).
std::unique_ptr<Medium> medium_of(const DatasetConfig& config);

/// Opens a dataset; throws Error(kConfig) for an unknown format or a split that does not fit, and
/// Error(kData) for files that are missing, unreadable or empty.
std::unique_ptr<Dataset> open_dataset(const DatasetConfig& config);

}  // namespace lacuna
