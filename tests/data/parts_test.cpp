// Parts: by paths of their own, and by a split that cuts between files. tests/system/test_parts.py
// drives the binary on the same.
#include <cmath>
#include <iterator>
#include <set>

#include "../catch.h"
#include "../expect_error.h"
#include "../random_tensor.h"
#include "../temp_folder.h"
#include "lacuna/base/text.h"
#include "lacuna/data/dataset.h"

using namespace lacuna;

namespace {

std::string text_of(const Part& part) {
  std::vector<int32_t> symbols(static_cast<size_t>(part.size()));
  part.read(0, part.size(), symbols.data());
  return {symbols.begin(), symbols.end()};
}

DatasetConfig files_with(std::vector<std::string> paths, std::vector<std::string> valid = {},
                         std::vector<std::string> test = {}) {
  return {.format = "bytes",
          .paths = std::move(paths),
          .valid_paths = std::move(valid),
          .test_paths = std::move(test)};
}

}  // namespace

TEST_CASE("parts with paths of their own hold these files alone, validation sets by name") {
  const TempFolder folder;
  for (const char* name : {"a", "b", "c", "d", "e", "f"}) folder.put(name, str('[', name, ']'));
  const auto data = open_dataset(
      files_with({folder / "a"}, {"x=" + folder / "b", folder / "c", "x=" + folder / "d"},
                 {folder / "e", folder / "f"}));
  std::vector<std::string> parts;
  for (const auto& [name, part] : data->parts()) parts.push_back(name + ' ' + text_of(*part));
  CHECK(parts ==
        std::vector<std::string>{"train [a]", "valid/x [b][d]", "valid [c]", "test [e][f]"});
  CHECK(&data->part("valid/x") == &data->part(Split::kValid));
  CHECK(text_of(data->part("valid")) == "[c]");
  expect_error(ErrorKind::kUsage, "valid/x", [&] { (void)data->part("valid/y"); });
  CHECK(data->describe() == "bytes: 6 files, 18 bytes: train 3, valid/x 6, valid 3, test 6");

  const auto tested = open_dataset(files_with({folder / "a"}, {}, {folder / "b"}));
  CHECK(tested->train().size() == 3);
  CHECK(tested->valid().size() == 1);
  CHECK(tested->part("valid").size() == 0);
  CHECK(text_of(tested->test()) == "[b]");
}

TEST_CASE("paths of parts contradict a split, and no file is of two parts") {
  const TempFolder folder;
  const std::string a = folder.put("a", "a"), b = folder.put("b", "b");
  DatasetConfig split = files_with({a}, {b});
  split.split = "0.5 / 0.5";
  expect_error(ErrorKind::kConfig, "data.split", [&] { open_dataset(split); });
  for (const DatasetConfig& twice :
       {files_with({a}, {a}), files_with({a, b}, {"x=" + b}), files_with({a}, {b}, {b}),
        files_with({folder.path()}, {}, {b}), files_with({a}, {"x=" + b, "y=" + b})}) {
    expect_error(ErrorKind::kConfig, "data.paths", [&] { open_dataset(twice); });
  }
}

TEST_CASE("a split between files gives each part whole files, and one at least") {
  const TempFolder folder;
  Random random(5);
  for (int round = 0; round < 60; ++round) {
    std::vector<std::string> paths;
    std::set<int64_t> ends{0};
    int64_t size = 0;
    const int64_t files = 3 + random.below(9);
    for (int64_t i = 0; i < files; ++i) {
      const int64_t length = 1 + random.below(i % 3 == 0 ? 1000 : 20);
      paths.push_back(folder.put(str(i), std::string(static_cast<size_t>(length), char('a' + i))));
      ends.insert(size += length);
    }
    DatasetConfig config = files_with(paths);
    config.values = FormatValues({{"split_at", std::string("files")}});
    config.split = round % 2 == 0 ? "0.9 / 0.05 / 0.05" : "0.3 / 0.3 / 0.4";
    const auto data = open_dataset(config);
    const int64_t train = data->train().size(), valid = data->part("valid").size();
    INFO(data->describe());
    CHECK(train + valid + data->test().size() == size);
    for (const Split part : kSplits) CHECK(data->part(part).records() >= 1);
    CHECK(ends.contains(train));
    CHECK(ends.contains(train + valid));
    CHECK(data->describe().find("cuts through") == std::string::npos);
    // No other end is nearer to where the shares would cut, unless a part would be empty.
    const auto wanted = static_cast<double>(size) * (round % 2 == 0 ? 0.9 : 0.3);
    for (const int64_t end : ends) {
      const bool leaves_two = std::distance(ends.upper_bound(end), ends.end()) >= 2 && end > 0;
      if (leaves_two) {
        CHECK(std::abs(static_cast<double>(train) - wanted) <=
              std::abs(static_cast<double>(end) - wanted) + 1);
      }
    }
  }
}
