// Formats whose files are converted: pictures into pixels, sounds into samples. Each file gives one
// record or many.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "lacuna/data/record_store.h"

namespace lacuna {

/// Takes what comes out of files, one file after the other.
class RecordSink {
 public:
  virtual ~RecordSink() = default;

  /// Appends to the record that is under way.
  virtual void add(std::span<const uint8_t> symbols) = 0;
  /// The record under way is whole; it is not empty.
  virtual void end_record() = 0;
  /// All records of the file are whole.
  virtual void end_file(const std::string& file) = 0;
  /// The file is bad, for that reason: what has come since the last one ended is taken back.
  virtual void drop_file(const std::string& file, const std::string& reason) = 0;
};

struct Converter {
  /// Hands on the records of one file by add() and end_record(). Throws Error(kData), naming the
  /// file and the place in it.
  std::function<void(const std::string& file, RecordSink& sink)> convert;
  /// About how many symbols a file gives: as many files as fit in memory together are converted at
  /// once. A null function: one file at a time.
  std::function<int64_t(const std::string& file)> symbols = {};
  bool small_files = false;  // each fits in memory many times over: several are converted at once
  bool skip_bad = false;     // files that cannot be converted are left out, not an error
};

/// Files that were left out, and why.
using BadFiles = std::vector<std::string>;
/// "2 bad files left out, the first: ..."; empty where there are none.
std::string note_on(const BadFiles& bad);

/// Converts files in their order, on several threads where their size allows it. `done` is told how
/// many files are over after each and may throw, which ends the conversion.
BadFiles convert_files(const std::vector<std::string>& files, const Converter& converter,
                       RecordSink& sink, const std::function<void(size_t files)>& done = {});

/// All records of the files in memory. Throws Error(kData) as the converter does, and
/// Error(kConfig) where they would take more than half of the memory that is free.
std::unique_ptr<RecordStore> store_in_memory(const std::vector<std::string>& files,
                                             const Converter& converter);

}  // namespace lacuna
