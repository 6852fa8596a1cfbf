// What a data format is: one file of the top-level folder data/ and one line of
// src/data/datasets.def.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "lacuna/data/dataset.h"
#include "lacuna/data/format_options.h"
#include "lacuna/data/record_store.h"

namespace lacuna {

struct DatasetFormat {
  std::string name, description;  // of datasets.def
  std::vector<FormatOption> options;
  bool has_own_parts = false;  // its files tell what is for training, validation and test
  /// Throws Error(kConfig) for values that do not go together.
  std::unique_ptr<Medium> (*medium)(const FormatValues& values);
  /// Throws Error(kConfig) and Error(kData).
  std::unique_ptr<Dataset> (*open)(const DatasetConfig& config);
};

/// The table of formats, as `lacuna list datasets` prints it.
const std::vector<DatasetFormat>& dataset_formats();
/// Null where there is none of that name.
const DatasetFormat* find_format(const std::string& name);
/// Throws Error(kConfig), with the formats that there are.
const DatasetFormat& format_called(const std::string& name);

}  // namespace lacuna
