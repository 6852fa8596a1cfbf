// What every format of src/data/datasets.def must satisfy. Its example is a configuration,
// examples/NAME.toml, whose paths are relative to that folder; a new format brings one.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <thread>

#include "../catch.h"
#include "../expect_error.h"
#include "../random_tensor.h"
#include "lacuna/base/text.h"
#include "lacuna/data/format.h"
#include "lacuna/train/setup.h"

using namespace lacuna;

namespace {

const std::string kExamples = LACUNA_SOURCE_DIR "/tests/tables/examples/";

DatasetConfig example_of(const DatasetFormat& format) {
  const std::string file = kExamples + format.name + ".toml";
  INFO("every format has an example: " << file);
  REQUIRE(std::filesystem::is_regular_file(file));
  train::Options options = train::read_options(file, {});
  CHECK(options.data.format == format.name);
  for (auto* paths : {&options.data.paths, &options.data.valid_paths, &options.data.test_paths}) {
    for (std::string& path : *paths) path = kExamples + path;
  }
  return train::dataset_config(options);
}

using Symbols = std::vector<int32_t>;

Symbols read(const Dataset& data, Split split, int64_t begin, int64_t count) {
  Symbols symbols(static_cast<size_t>(count), -1);
  data.part(split).read(begin, count, symbols.data());
  return symbols;
}

Symbols whole(const Dataset& data, Split split) {
  return read(data, split, 0, data.part(split).size());
}

/// How many of `count` random windows of a part differ from what `all` of it holds there.
int wrong_windows(const Dataset& data, Split split, const Symbols& all, int count, uint64_t seed) {
  Random random(seed);
  const auto size = static_cast<int64_t>(all.size());
  int wrong = 0;
  for (int i = 0; i < count; ++i) {
    const int64_t begin = random.below(size + 1), length = random.below(size - begin + 1);
    const auto from = all.begin() + begin;
    if (read(data, split, begin, length) != Symbols(from, from + length)) ++wrong;
  }
  return wrong;
}

}  // namespace

TEST_CASE("Every data set opens on its example, and all its parts have symbols of its vocabulary",
          "[tables]") {
  for (const DatasetFormat& format : dataset_formats()) {
    CAPTURE(format.name);
    const auto data = open_dataset(example_of(format));
    CHECK(data->medium().vocabulary() > 1);
    CHECK(data->medium().grid().alignment >= 1);
    for (const Split split : kSplits) {
      CAPTURE(split_name(split));
      const Symbols symbols = whole(*data, split);
      REQUIRE(!symbols.empty());
      const auto [least, most] = std::minmax_element(symbols.begin(), symbols.end());
      CHECK(*least >= 0);
      CHECK(*most < data->medium().vocabulary());
      CHECK(*least < *most);  // an example of one symbol shows nothing
      const double floor = data->part(split).floor_bits().value_or(0);
      CHECK(floor >= 0);
      CHECK(floor <= std::log2(static_cast<double>(data->medium().vocabulary())));
    }
  }
}

TEST_CASE("Any window of every data set is that part of a whole read, in several threads at once",
          "[tables]") {
  for (const DatasetFormat& format : dataset_formats()) {
    const auto data = open_dataset(example_of(format));
    for (const Split split : kSplits) {
      CAPTURE(format.name, split_name(split));
      const Symbols all = whole(*data, split);
      CHECK(all == whole(*data, split));
      CHECK(wrong_windows(*data, split, all, 300, 1) == 0);
      int beside = 0;
      std::thread other([&] { beside = wrong_windows(*data, split, all, 300, 2); });
      CHECK(wrong_windows(*data, split, all, 300, 3) == 0);
      other.join();
      CHECK(beside == 0);
    }
  }
}

TEST_CASE("Every data set opened twice is the same and has one identity, whatever the split",
          "[tables]") {
  for (const DatasetFormat& format : dataset_formats()) {
    CAPTURE(format.name);
    DatasetConfig config = example_of(format);
    const auto data = open_dataset(config), again = open_dataset(config);
    int64_t symbols = 0;
    for (const Split split : kSplits) {
      symbols += data->part(split).size();
      CHECK(whole(*data, split) == whole(*again, split));
    }
    CHECK(data->identity() == again->identity());
    CHECK(data->identity() == data->identity());
    CHECK(data->identity().ends_with(str(':', symbols)));
    config.split = "1 / 0";
    const auto undivided = open_dataset(config);
    CHECK(undivided->identity() == data->identity());
    CHECK(undivided->part(Split::kTrain).size() == symbols);
    CHECK(undivided->part(Split::kTest).size() == 0);
  }
}

TEST_CASE("Every data set describes itself in a line, and its name is known", "[tables]") {
  for (const DatasetFormat& format : dataset_formats()) {
    CAPTURE(format.name);
    CHECK(format.description.size() > 10);
    const std::string line = open_dataset(example_of(format))->describe();
    CHECK(line.starts_with(format.name + ':'));
    CHECK(line.find('\n') == std::string::npos);
    expect_error(ErrorKind::kConfig, format.name,
                 [] { open_dataset({.format = "zzzzzzzzzzzzzzzzzzzz"}); });
  }
}
