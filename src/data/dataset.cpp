#include "lacuna/data/dataset.h"

#include "lacuna/base/names.h"
#include "lacuna/base/text.h"
#include "lacuna/data/format.h"
#include "lacuna/data/split.h"
#include "record_search.h"

namespace lacuna {

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

void Part::read(int64_t begin, int64_t count, int32_t* out) const {
  const int64_t symbols = size();
  if (begin < 0 || count < 0 || begin > symbols || count > symbols - begin) {
    throw Error(ErrorKind::kInternal, "Part::read",
                str("asked for ", count, " symbols from ", begin, " on, but there are ", symbols));
  }
  if (count > 0) do_read(begin, count, out);
}

int64_t record_at(const Part& part, int64_t symbol) {
  return last_record_at(part, symbol);
}

std::unique_ptr<Part> empty_part() {
  class Empty final : public Part {
   public:
    int64_t size() const override { return 0; }

   private:
    void do_read(int64_t, int64_t, int32_t*) const override {}
  };
  return std::make_unique<Empty>();
}

Dataset::Dataset(std::unique_ptr<Medium> medium, Parts parts)
    : medium_(std::move(medium)), parts_(std::move(parts)) {
  require(!parts_.valid.empty(), "Dataset", "a data set has a validation set, if an empty one");
}

std::vector<Dataset::NamedPart> Dataset::parts() const {
  std::vector<NamedPart> all{{split_name(Split::kTrain), parts_.train.get()}};
  for (const ValidationSet& set : parts_.valid) all.push_back({set.name, set.part.get()});
  all.push_back({split_name(Split::kTest), parts_.test.get()});
  return all;
}

const Part& Dataset::part(Split split) const {
  if (split == Split::kValid) return *parts_.valid.front().part;
  return split == Split::kTrain ? *parts_.train : *parts_.test;
}

const Part& Dataset::part(const std::string& name) const {
  std::vector<std::string> names;
  for (const auto& [known, part] : parts()) {
    if (name == known) return *part;
    names.push_back(known);
  }
  throw unknown_name(ErrorKind::kUsage, "--split", "part", name, names);
}

namespace {

// With the defaults of the format's own options.
DatasetConfig complete(DatasetConfig config, const DatasetFormat& format) {
  for (const FormatOption& option : format.options) (void)config.values.at(option);
  return config;
}

}  // namespace

void check_dataset(const DatasetConfig& config) {
  (void)medium_of(config);
  if (!config.split.empty()) (void)parse_split(config.split, int64_t{1} << 60);  // more than any
}

std::unique_ptr<Medium> medium_of(const DatasetConfig& config) {
  const DatasetFormat& format = format_called(config.format);
  return format.medium(complete(config, format).values);
}

std::unique_ptr<Dataset> open_dataset(const DatasetConfig& config) {
  const DatasetFormat& format = format_called(config.format);
  return format.open(complete(config, format));
}

}  // namespace lacuna
