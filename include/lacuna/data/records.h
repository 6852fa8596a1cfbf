// Data sets whose records lie in stores: how they are cut into parts.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "lacuna/data/conversion.h"
#include "lacuna/data/dataset.h"
#include "lacuna/data/record_store.h"

namespace lacuna {

/// What data.split may cut through.
enum class Cut : uint8_t {
  kSymbols,  // anywhere
  kRecords,  // shares and counts are of records
  kFiles,    // each record is a file; shares are of symbols, counts of files. Where there are fewer
             // files than parts the last is cut, and describe() says so
};

struct RecordRules {
  std::string noun;  // "bytes", "pictures of 32 x 32 x 3"
  Cut cut = Cut::kRecords;
  bool apart = false;    // no window reaches over the end of a record
  std::string suffixes;  // of the files of a folder, where data.suffixes is empty
  /// Throws Error(kData) for files of the same paths that do not go together; may be null.
  std::function<void(const std::vector<std::string>& files)> check_files = {};
  /// How files become records; a null function: they are the records as they are.
  Converter converter = {};
  /// The part of each record where data.split is empty; a null function, or no answer: as "0.9 /
  /// 0.05 / 0.05" cuts.
  std::function<std::vector<Split>(const RecordStore& store)> own_parts = {};
  /// What a person should know of the parts, in a few words; may be null.
  std::function<std::string(const Parts& parts)> note = {};
};

/// All files and folders that a configuration names, without the names of validation sets.
std::vector<std::string> data_paths(const DatasetConfig& config);

/// Opens the files of data.paths, valid_paths and test_paths. Where one of the latter is given,
/// every part comes from its own paths alone. Throws as open_dataset() does.
std::unique_ptr<Dataset> open_records(const DatasetConfig& config, std::unique_ptr<Medium> medium,
                                      const RecordRules& rules);

/// Whether a window may cross the ends of which records: the begins of the stretches of a part
/// that windows of training stay in, each at least `window` symbols long where the part is. Records
/// that are shorter are joined with the next ones, what is left at the end with the one before.
std::vector<int64_t> training_stretches(const Part& part, int64_t window);

/// Of parts whose records are apart: how many files are shorter than a window and what becomes of
/// them, in a sentence without full stop; empty where there are none.
std::string short_records(const Dataset& data, int64_t window);

}  // namespace lacuna
