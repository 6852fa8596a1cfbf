#include "lacuna/data/format.h"

#include "lacuna/base/error.h"
#include "lacuna/base/names.h"
#include "lacuna/base/text.h"

namespace lacuna {

#define LACUNA_DATASET(identifier, name, description) DatasetFormat identifier##_format();
#include "datasets.def"
#undef LACUNA_DATASET

namespace {

DatasetFormat named(const char* name, const char* description, DatasetFormat format) {
  format.name = name;
  format.description = description;
  return format;
}

}  // namespace

const std::vector<DatasetFormat>& dataset_formats() {
  static const std::vector<DatasetFormat> formats{
#define LACUNA_DATASET(identifier, name, description) \
  named(name, description, identifier##_format()),
#include "datasets.def"
#undef LACUNA_DATASET
  };
  return formats;
}

const DatasetFormat* find_format(const std::string& name) {
  for (const DatasetFormat& format : dataset_formats()) {
    if (format.name == name) return &format;
  }
  return nullptr;
}

const DatasetFormat& format_called(const std::string& name) {
  if (const DatasetFormat* found = find_format(name)) return *found;
  std::vector<std::string> names;
  for (const DatasetFormat& format : dataset_formats()) names.push_back(format.name);
  throw unknown_name(ErrorKind::kConfig, "data.format", "dataset format", name, names);
}

}  // namespace lacuna
