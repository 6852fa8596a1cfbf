#include <algorithm>
#include <string_view>
#include <utility>

#include "file_row.h"
#include "lacuna/base/error.h"
#include "lacuna/base/files.h"
#include "lacuna/base/text.h"
#include "lacuna/data/record_store.h"

namespace lacuna {
namespace {

struct Packing {
  std::string_view name, begin;  // what its files begin with
};
// No text begins so: these hold control characters or no UTF-8, and bzip2's are ten in a row.
constexpr Packing kPackings[] = {{"gzip", "\x1f\x8b\x08"},
                                 {"zstd", "\x28\xb5\x2f\xfd"},
                                 {"xz", std::string_view("\xfd\x37zXZ\0", 6)},
                                 {"zip", "PK\x03\x04"},
                                 {"bzip2", "BZh?1AY&SY"}};  // ?: the size of blocks

bool begins_with(std::string_view bytes, std::string_view begin) {
  return bytes.size() >= begin.size() &&
         std::equal(begin.begin(), begin.end(), bytes.begin(),
                    [](char wanted, char got) { return wanted == got || wanted == '?'; });
}

// For a file of any name: four of the five programs are called as the format is, and take their
// input and give their output without a look at names.
std::string unpacking(const Packing& packing, const std::string& path) {
  const std::string file = shell_quoted(path);
  return packing.name == "zip"
             ? "unzip " + file
             : str(packing.name, " -dc < ", file, " > ", shell_quoted(path + ".txt"));
}

// A compressed file looks like noise: a model can learn nothing from it.
void refuse_compressed(const std::string& path, const FileReader& file) {
  std::string bytes(std::min<size_t>(file.size(), 16), '\0');
  file.read(0, bytes.size(), reinterpret_cast<std::byte*>(bytes.data()));
  for (const Packing& packing : kPackings) {
    if (!begins_with(bytes, packing.begin)) continue;
    throw Error(ErrorKind::kData, path, str("is compressed (", packing.name, ")"),
                str("Unpack it (`", unpacking(packing, path),
                    "`) and name what comes out, or leave it out with data.suffixes"));
  }
}

class StoreOfFiles final : public RecordStore {
 public:
  explicit StoreOfFiles(const std::vector<std::string>& files) {
    for (const std::string& path : files) append(path);
  }

  int64_t size() const override { return row_.size(); }
  int64_t records() const override { return row_.files(); }
  const std::vector<StoredFile>& files() const override { return files_; }
  int64_t record_begin(int64_t record) const override { return row_.begin(record); }
  void read(int64_t begin, int64_t count, std::byte* out) const override {
    row_.read(begin, count, out);
  }

 private:
  void append(const std::string& path) {
    FileReader file(path);
    if (file.size() == 0) return;
    refuse_compressed(path, file);
    files_.push_back({path, records()});
    row_.append(std::move(file));
  }

  FileRow row_;
  std::vector<StoredFile> files_;
};

}  // namespace

std::unique_ptr<RecordStore> store_of_files(const std::vector<std::string>& files) {
  return std::make_unique<StoreOfFiles>(files);
}

}  // namespace lacuna
