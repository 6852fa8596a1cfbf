// The formats of pictures, as far as no file of a test's size shows it;
// tests/system/test_pictures.py drives the binary.
#include "lacuna/data/pictures.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <limits>

#include "../../data/imagenet64_version.h"
#include "../catch.h"
#include "../expect_error.h"
#include "../temp_folder.h"
#include "lacuna/base/text.h"
#include "lacuna/data/conversion.h"
#include "lacuna/data/dataset.h"
#include "lacuna/data/sample_order.h"

using namespace lacuna;

namespace {

constexpr int64_t kSymbols = 32 * 32 * 3;

/// A file of black pictures that takes no room on the disk.
std::string black_batch(const TempFolder& folder, const std::string& name, uintmax_t records) {
  const std::string path = folder.put(name, "");
  std::filesystem::resize_file(path, records * (1 + kSymbols));
  return path;
}

/// FNV-1a, of 64 bits.
uint64_t fnv(const std::string& text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const unsigned char byte : text) hash = (hash ^ byte) * 0x100000001b3;
  return hash;
}

/// "3" of ".../data_batch_1.bin#3"; of the second batch 10,000 more.
int64_t number_in_all(const std::string& name) {
  const int64_t batch = name[name.rfind("_") + 1] - '1';
  return batch * 10'000 + std::stoll(name.substr(name.rfind('#') + 1));
}

DatasetConfig cifar10(const std::string& path, const std::string& split, const char* mirror) {
  return {.format = "cifar10",
          .paths = {path},
          .split = split,
          .values = FormatValues({{"mirror", std::string(mirror)}})};
}

}  // namespace

TEST_CASE("of all 50,000 pictures of CIFAR-10 the 2,000 of the paper's authors validate",
          "[data]") {
  const TempFolder folder;
  for (const char batch : {'1', '2', '3', '4', '5'}) {
    black_batch(folder, str("data_batch_", batch, ".bin"), 10'000);
  }
  black_batch(folder, "test_batch.bin", 20);
  const auto data = open_dataset(cifar10(folder.path(), "", "no"));
  const Part& valid = data->part(Split::kValid);
  CHECK(data->train().records() == 48'000);
  CHECK(data->test().records() == 20);
  REQUIRE(valid.records() == 2'000);
  std::string lines;
  for (int64_t r = 0; r < valid.records(); ++r) {
    lines += str(number_in_all(valid.record_name(r)), '\n');
  }
  // sorted(numpy.random.RandomState(11172018).permutation(50000)[:2000]), one a line
  CHECK(lines.starts_with("38\n59\n87\n99\n114\n181\n191\n241\n258\n263\n286\n294\n"));
  CHECK(fnv(lines) == 0x5592d5d9cff8a9a6);
}

TEST_CASE("half of the training pictures are mirrored where that is asked for, by the seed alone",
          "[data]") {
  const TempFolder folder;
  constexpr int64_t kPictures = 2'000;
  std::string batch;
  for (int64_t r = 0; r < kPictures; ++r) {  // the left half of the green plane is white
    std::string record(1 + kSymbols, '\0');
    for (size_t p = 0; p < 32 * 32; ++p) record[1 + 32 * 32 + p] = p % 32 < 16 ? '\xff' : '\0';
    batch += record;
  }
  const std::string file = folder.put("data_batch_1.bin", batch);
  const auto mirrored = [&](const char* mirror, uint64_t seed, uint64_t first) {
    const auto data = open_dataset(cifar10(file, "1 / 0", mirror));
    const SampleOrder order(data->train().size(), kSymbols, seed, data->medium().grid());
    std::vector<int32_t> rows(kPictures * kSymbols);
    read_samples(*data, order, first, kPictures, rows.data());
    std::vector<bool> which;
    int64_t wrong = 0;
    for (int64_t r = 0; r < kPictures; ++r) {
      const int32_t* row = rows.data() + r * kSymbols;
      const bool turned = row[1] == 0;  // the green of the first pixel
      for (int64_t i = 0; i < kSymbols; ++i) {
        const bool left = i / 3 % 32 < 16;
        wrong += row[i] == (i % 3 == 1 && left != turned ? 255 : 0) ? 0 : 1;
      }
      which.push_back(turned);
    }
    CHECK(wrong == 0);
    return which;
  };
  const std::vector<bool> one = mirrored("yes", 1, 0);
  const auto turned = std::count(one.begin(), one.end(), true);
  CHECK(turned > kPictures / 2 - 150);
  CHECK(turned < kPictures / 2 + 150);
  CHECK(one == mirrored("yes", 1, 0));
  CHECK(one != mirrored("yes", 2, 0));
  CHECK(one != mirrored("yes", 1, kPictures));  // the next epoch
  const std::vector<bool> off = mirrored("no", 1, 0);
  CHECK(std::count(off.begin(), off.end(), true) == 0);
}

TEST_CASE("ImageNet 64x64 is called by the version whose counts it has, else a slice", "[data]") {
  CHECK(imagenet64_version(1'281'149, 49'999).starts_with("the version of van den Oord et al."));
  CHECK(imagenet64_version(1'281'167, 50'000).starts_with("the version of Chrabaszcz et al."));
  for (const auto& [train, valid] : {std::pair<int64_t, int64_t>{1'281'149, 50'000},
                                     {1'281'167, 49'999},
                                     {0, 50'000},
                                     {49'999, 1'281'149}}) {
    CHECK(imagenet64_version(train, valid).starts_with("a slice"));
  }
}

TEST_CASE("files keep their order where large ones are among small ones, and go by themselves",
          "[data]") {
  std::vector<std::string> files;
  for (int i = 0; i < 300; ++i) files.push_back(str(i % 50 == 0 ? "large " : "small ", i));
  std::vector<uint8_t> straight(files.size());  // into the store, not into memory of its own
  const auto convert = [&](const std::string& file, RecordSink& sink) {
    const auto number = static_cast<size_t>(std::stoi(file.substr(6)));
    straight[number] = dynamic_cast<RecordStore*>(&sink) != nullptr ? 1 : 0;
    const auto symbol = static_cast<uint8_t>(number % 256);
    sink.add({&symbol, 1});
    sink.end_record();
  };
  const auto symbols = [](const std::string& file) {
    return file.starts_with("large") ? std::numeric_limits<int64_t>::max() : 1;
  };
  const auto store = store_in_memory(files, {.convert = convert, .symbols = symbols});
  REQUIRE(store->files().size() == files.size());
  REQUIRE(store->size() == 300);
  std::vector<std::byte> read(300);
  store->read(0, 300, read.data());
  for (size_t i = 0; i < files.size(); ++i) {
    CHECK(store->files()[i].name == files[i]);
    CHECK(read[i] == std::byte(i % 256));
    CHECK(straight[i] == (i % 50 == 0 ? 1 : 0));
  }
}

TEST_CASE("planes are brought side by side", "[data]") {
  const std::array<std::byte, 6> planes{std::byte{1}, std::byte{2}, std::byte{3},
                                        std::byte{4}, std::byte{5}, std::byte{6}};
  std::array<uint8_t, 6> pixels{};
  interleave(planes, 3, pixels);
  CHECK(pixels == std::array<uint8_t, 6>{1, 3, 5, 2, 4, 6});
  interleave(planes, 2, pixels);
  CHECK(pixels == std::array<uint8_t, 6>{1, 4, 2, 5, 3, 6});
  expect_error(ErrorKind::kInternal, "interleave", [&] { interleave(planes, 4, pixels); });
}
