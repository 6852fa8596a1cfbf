#include "lacuna/data/dataset.h"

#include "lacuna/base/names.h"
#include "lacuna/base/text.h"
#include "lacuna/data/split.h"

namespace lacuna {

#define LACUNA_DATASET(identifier, name, description) \
  std::unique_ptr<Dataset> make_##identifier(const DatasetConfig& config);
#include "datasets.def"
#undef LACUNA_DATASET

namespace {

struct Entry {
  const char* name;
  const char* description;
  std::unique_ptr<Dataset> (*make)(const DatasetConfig& config);
};

constexpr Entry kFormats[] = {
#define LACUNA_DATASET(identifier, name, description) {name, description, make_##identifier},
#include "datasets.def"
#undef LACUNA_DATASET
};

const Entry& format_called(const std::string& format) {
  std::vector<std::string> names;
  for (const Entry& entry : kFormats) {
    if (format == entry.name) return entry;
    names.emplace_back(entry.name);
  }
  if (!nearest_name(format, names).empty()) {
    throw unknown_name(ErrorKind::kConfig, "data.format", "dataset format", format, names);
  }
  // Configurations may name formats that are still to come.
  std::vector<std::string> known;
  for (const Entry& entry : kFormats) {
    known.push_back(str(entry.name, " (", entry.description, ")"));
  }
  throw Error(ErrorKind::kConfig, "data.format",
              "this lacuna has no dataset format '" + format + "' yet",
              "It has " + join(known, " and "));
}

}  // namespace

const char* split_name(Split split) {
  switch (split) {
    case Split::kTrain:
      return "train";
    case Split::kValid:
      return "valid";
    case Split::kTest:
      return "test";
  }
  return "unknown";
}

void Dataset::read(Split split, int64_t begin, int64_t count, int32_t* out) const {
  const int64_t symbols = size(split);
  if (begin < 0 || count < 0 || begin > symbols || count > symbols - begin) {
    throw Error(ErrorKind::kInternal, "Dataset::read",
                str("asked for ", count, " symbols from ", begin, " on, but '", split_name(split),
                    "' has ", symbols));
  }
  do_read(split, begin, count, out);
}

void check_dataset(const DatasetConfig& config) {
  (void)format_called(config.format);
  (void)parse_split(config.split, int64_t{1} << 60);  // more than any counts
}

std::unique_ptr<Dataset> open_dataset(const DatasetConfig& config) {
  return format_called(config.format).make(config);
}

std::vector<DatasetFormat> dataset_formats() {
  std::vector<DatasetFormat> formats;
  for (const Entry& entry : kFormats) formats.push_back({entry.name, entry.description});
  return formats;
}

}  // namespace lacuna
