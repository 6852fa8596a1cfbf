// Format "cifar10": the binary version of CIFAR-10 as its authors give it, or pieces of it: records
// of a label byte and 32 x 32 pixels, first all red, then all green, then all blue bytes
// (Krizhevsky 2009). Symbols are the pixels in raster order, each red, green, blue; labels are left
// out.
#include <algorithm>
#include <array>
#include <filesystem>
#include <numeric>
#include <random>
#include <span>

#include "lacuna/base/error.h"
#include "lacuna/base/files.h"
#include "lacuna/base/text.h"
#include "lacuna/data/format.h"
#include "lacuna/data/pictures.h"
#include "lacuna/data/records.h"

namespace lacuna {
namespace {

constexpr int64_t kSide = 32, kChannels = 3, kPicture = kSide * kSide * kChannels;
constexpr int64_t kRecord = 1 + kPicture;
constexpr PictureTarget kTarget{.width = kSide, .height = kSide, .channels = kChannels};
constexpr int kLabels = 10;
constexpr int64_t kAll = 50'000, kHeldOut = 2'000;  // pictures that are not for the test

void check_size(const std::string& path, int64_t size) {
  if (size > 0 && size % kRecord == 0) return;
  if (size > 0 && size % (kRecord + 1) == 0) {
    throw Error(ErrorKind::kData, path,
                str("its records have ", kRecord + 1, " bytes, with two labels: this is CIFAR-100"),
                "Only CIFAR-10 is read so; its records have 3,073 bytes");
  }
  throw Error(ErrorKind::kData, path,
              str("has ", grouped(size), " bytes, which is no whole number of records of ",
                  grouped(kRecord)),
              "Give the files of cifar-10-binary.tar.gz as they are, or whole records of them");
}

void convert(const std::string& path, RecordSink& sink) {
  const FileReader file(path);
  const auto size = static_cast<int64_t>(file.size());
  check_size(path, size);
  std::array<std::byte, kRecord> record;
  std::array<uint8_t, kPicture> pixels;
  for (int64_t r = 0; r < size / kRecord; ++r) {
    file.read(static_cast<size_t>(r * kRecord), record.size(), record.data());
    const int label = std::to_integer<int>(record[0]);
    if (label >= kLabels) {
      throw Error(ErrorKind::kData, path,
                  str("record ", r, " has the label ", label, ", expected 0 to ", kLabels - 1),
                  "The file is damaged, or not the binary version of CIFAR-10");
    }
    interleave(std::span(record).subspan<1>(), kChannels, pixels);
    sink.add(pixels);
    sink.end_record();
  }
}

// The pictures that the paper's authors hold out for validation: the first 2,000 of NumPy's
// RandomState(11172018).permutation(50000), which is a shuffle from the end by masked draws of
// 32 bits from a Mersenne Twister.
std::vector<int64_t> held_out() {
  std::vector<int64_t> order(kAll);
  std::iota(order.begin(), order.end(), 0);
  std::mt19937 random(11172018);
  for (uint32_t last = kAll - 1; last > 0; --last) {
    uint32_t mask = last;
    for (uint32_t shift = 1; shift < 32; shift *= 2) mask |= mask >> shift;
    uint32_t drawn = 0;
    do {
      drawn = static_cast<uint32_t>(random()) & mask;
    } while (drawn > last);
    std::swap(order[last], order[drawn]);
  }
  order.resize(kHeldOut);
  return order;
}

bool is_test(const std::string& file) {
  return std::filesystem::path(file).filename().string().starts_with("test_batch");
}

// The files called test_batch are the test part. Of all 50,000 others the authors' 2,000 validate;
// of fewer the last ones, in the same proportion.
std::vector<Split> own_parts(const RecordStore& store) {
  std::vector<Split> parts(static_cast<size_t>(store.records()), Split::kTrain);
  const auto& files = store.files();
  bool tested = false;
  for (size_t f = 0; f < files.size(); ++f) {
    if (!is_test(files[f].name)) continue;
    const int64_t end = f + 1 < files.size() ? files[f + 1].first_record : store.records();
    std::fill(parts.begin() + files[f].first_record, parts.begin() + end, Split::kTest);
    tested = true;
  }
  std::vector<size_t> others;
  for (size_t r = 0; r < parts.size(); ++r) {
    if (parts[r] == Split::kTrain) others.push_back(r);
  }
  if (std::ssize(others) == kAll) {
    for (const int64_t index : held_out())
      parts[others[static_cast<size_t>(index)]] = Split::kValid;
    return parts;
  }
  if (!tested) return {};
  const auto held = static_cast<int64_t>(others.size()) * kHeldOut / kAll;
  for (int64_t i = std::ssize(others) - held; i < std::ssize(others); ++i) {
    parts[others[static_cast<size_t>(i)]] = Split::kValid;
  }
  return parts;
}

std::unique_ptr<Medium> medium(const FormatValues& values) {
  return picture_medium(kTarget, mirrors(values));
}

std::unique_ptr<Dataset> open(const DatasetConfig& config) {
  return open_records(config, medium(config.values),
                      {.noun = pictures_noun(kTarget),
                       .suffixes = ".bin",
                       .converter = {.convert = convert},
                       .own_parts = own_parts});
}

}  // namespace

DatasetFormat cifar10_format() {
  return {.options = {mirror_option()}, .has_own_parts = true, .medium = medium, .open = open};
}

}  // namespace lacuna
