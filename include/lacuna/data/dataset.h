// Datasets: a long sequence of symbols in three parts, whatever the files behind it.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lacuna/base/files.h"

namespace lacuna {

enum class Split { kTrain, kValid, kTest };
inline constexpr std::array<Split, 3> kSplits = {Split::kTrain, Split::kValid, Split::kTest};

/// "train", "valid", "test".
const char* split_name(Split split);

/// What the synthetic format "echo" is made of (data/echo.cpp).
struct EchoConfig {
  int64_t symbols = 16;       // k
  int64_t block = 64;         // L
  double redraw = 0.1;        // e
  int64_t size = 16'000'000;  // symbols in all parts together
  uint64_t seed = 1;
};

struct DatasetConfig {
  std::string format;              // a name of src/data/datasets.def
  std::vector<std::string> paths;  // files or folders
  std::string suffixes;            // which files of a folder, such as ".cpp .h"; empty: all
  std::string split = "0.9 / 0.05 / 0.05";  // as parse_split in data/split.h understands it
  EchoConfig echo;
  std::string run;  // folder of the run that reads the data, which may not exist yet; no data in it
};

/// Symbols 0 .. vocabulary() - 1 in three parts. Constant after construction: every member function
/// may be called by several threads at once.
class Dataset {
 public:
  virtual ~Dataset() = default;

  virtual int64_t vocabulary() const = 0;
  /// Number of symbols.
  virtual int64_t size(Split split) const = 0;
  /// Windows begin at multiples of it; 1: anywhere.
  virtual int64_t alignment() const { return 1; }
  /// Entropy of a part in bits per symbol, where that is known: no model can be better on average.
  virtual std::optional<double> floor_bits(Split) const { return std::nullopt; }
  /// Copies symbols [begin, begin + count) of a part to out; throws Error(kInternal) when they are
  /// not all there.
  void read(Split split, int64_t begin, int64_t count, int32_t* out) const;
  /// Same text, same data, whatever the split; ends in ':' and the number of all symbols. Of files
  /// a 64-bit hash of all symbols comes before, as 16 hex digits, independent of the files' names;
  /// reads everything at each call. Throws what `between_pieces` throws.
  virtual std::string identity(const BetweenPieces& between_pieces = {}) const = 0;
  /// One line for humans.
  virtual std::string describe() const = 0;

 private:
  virtual void do_read(Split split, int64_t begin, int64_t count, int32_t* out) const = 0;
};

/// Throws Error(kConfig) for an unknown format or a split that fits no data at all.
void check_dataset(const DatasetConfig& config);

/// Opens a dataset; throws Error(kConfig) for an unknown format or a split that does not fit, and
/// Error(kData) for files that are missing, unreadable or empty.
std::unique_ptr<Dataset> open_dataset(const DatasetConfig& config);

struct DatasetFormat {
  std::string name;
  std::string description;
};
/// The table of formats, as `lacuna list datasets` prints it.
std::vector<DatasetFormat> dataset_formats();

}  // namespace lacuna
