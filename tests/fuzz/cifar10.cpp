// A file that is accepted is whole records, and gives their planes side by side. The format reads
// files alone, so that the bytes lie in one.
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "lacuna/data/dataset.h"
#include "targets.h"

namespace lacuna::fuzz {
namespace {

constexpr int64_t kPlane = 32 * 32, kPicture = 3 * kPlane, kRecord = 1 + kPicture;

/// One for all inputs, removed at the end.
class OneFile {
 public:
  OneFile() {
    std::string pattern = (std::filesystem::temp_directory_path() / "lacuna-fuzz-XXXXXX").string();
    const int descriptor = mkstemp(pattern.data());
    promise(descriptor >= 0);
    close(descriptor);
    path_ = pattern;
  }
  ~OneFile() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  OneFile(const OneFile&) = delete;
  OneFile& operator=(const OneFile&) = delete;

  const std::string& with(std::string_view bytes) const {
    std::ofstream file(path_, std::ios::binary | std::ios::trunc);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    file.close();
    promise(file.good());
    return path_;
  }

 private:
  std::string path_;
};

}  // namespace

void cifar10(std::string_view bytes) {
  static const OneFile file;
  const std::string& path = file.with(bytes);
  answer([&] {
    const auto data = open_dataset({.format = "cifar10", .paths = {path}, .split = "1 / 0"});
    const Part& part = data->train();
    promise(part.records() * kRecord == static_cast<int64_t>(bytes.size()));
    promise(part.size() == part.records() * kPicture);
    std::vector<int32_t> symbols(static_cast<size_t>(part.size()));
    part.read(0, part.size(), symbols.data());
    for (int64_t i = 0; i < part.size(); ++i) {
      const int64_t record = i / kPicture, pixel = i % kPicture / 3, channel = i % 3;
      const int64_t place = record * kRecord + 1 + channel * kPlane + pixel;
      promise(symbols[static_cast<size_t>(i)] ==
              static_cast<uint8_t>(bytes[static_cast<size_t>(place)]));
    }
  });
}

}  // namespace lacuna::fuzz
