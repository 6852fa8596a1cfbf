// Prepared data: the records of files that were converted once, in a folder of shards that is read
// in place of the files.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "lacuna/data/conversion.h"
#include "lacuna/data/dataset.h"
#include "lacuna/data/record_store.h"

namespace lacuna {

/// What the symbols depend on beside the files they come from.
struct Recipe {
  std::string format;
  std::map<std::string, std::string> options;  // those of the format that decide symbols, as text

  bool operator==(const Recipe&) const = default;
};
Recipe recipe_of(const DatasetConfig& config);

/// A file that was converted or left out.
struct Source {
  std::string path;     // as the configuration named it
  int64_t size = 0;     // bytes
  int64_t time = 0;     // of its last modification, ns since 1970
  int64_t records = 0;  // that came out of it
  std::string reason;   // why it was left out; empty: it was not

  bool operator==(const Source&) const = default;
};

/// How far a preparation is.
struct PreparationProgress {
  std::string folder;
  size_t files = 0, all_files = 0;        // that are over, and all
  int64_t bytes = 0, all_bytes = 0;       // of these files
  int64_t symbols = 0;                    // that have come out
  int64_t checked = 0, all_to_check = 0;  // bytes of an earlier call that are read once more
};

/// What came out of the files of one part.
struct Prepared {
  std::string part, folder;  // part: "train", "valid/NAME"; empty: of all of them
  int64_t sources = 0, records = 0, symbols = 0;
  std::string xxh3;
  BadFiles left_out;
  bool was_there = false;  // by an earlier call
};

/// How open_dataset() converts files, and what of.
struct Preparation {
  std::string folder;      // that of data.paths alone; with paths of other parts, it holds theirs
  bool skip_bad = false;   // files that cannot be converted are left out
  bool overwrite = false;  // what an earlier preparation has made is replaced
  int64_t shard_bytes = int64_t{1} << 30;  // a shard ends with the record that reaches so far
  /// Called often; may throw, which ends the preparation so that it can go on later.
  std::function<void(const PreparationProgress&)> progress = {};
  std::vector<Prepared> made = {};
};

/// Whether a folder holds prepared data, whole or in part.
bool is_prepared(const std::string& folder);

/// Converts the files into `folder`, or goes on with what an earlier call left there after a signal
/// or a crash: the result is the same. What is there already, of the same files as they are now, is
/// kept. Constant memory. Throws Error(kUsage) where the folder holds anything else, Error(kData)
/// as the converter does and for no records at all, Error(kIo), and what `progress` throws.
Prepared prepare_shards(const std::string& folder, std::vector<std::string> files,
                        Converter converter, const Recipe& recipe, Preparation& preparation);

/// Prepared data, read as needed. Throws Error(kConfig) where it was made by another recipe or
/// another layout, and Error(kData) where it is not whole or damaged, or where one of its sources
/// is another by now; those that are gone do not count.
std::unique_ptr<RecordStore> store_of_shards(const std::string& folder, const Recipe& recipe);

/// Reads all of a prepared folder and compares it with its manifest, which then counts as newer
/// than the shards. Throws Error(kData).
Prepared check_shards(const std::string& folder, const BetweenPieces& between_pieces);

}  // namespace lacuna
