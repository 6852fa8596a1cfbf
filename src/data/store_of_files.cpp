#include <algorithm>
#include <string_view>
#include <utility>

#include "lacuna/base/error.h"
#include "lacuna/base/files.h"
#include "lacuna/base/text.h"
#include "lacuna/data/record_store.h"

namespace lacuna {
namespace {

/// Smaller files are copied: folders have many of them, and a descriptor each would be too many.
constexpr size_t kSmallestRead = 1 << 16;

struct Piece {
  int64_t begin;  // where the file starts in the whole sequence
  FileReader file;
  std::vector<std::byte> copy;  // of the whole file, or empty

  size_t size() const { return file.size(); }
  void read(size_t from, size_t count, std::byte* out) const {
    if (copy.empty()) return file.read(from, count, out);
    std::copy_n(copy.begin() + static_cast<int64_t>(from), count, out);
  }
};

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

  int64_t size() const override { return size_; }
  int64_t records() const override { return static_cast<int64_t>(pieces_.size()); }
  const std::vector<StoredFile>& files() const override { return files_; }
  int64_t record_begin(int64_t record) const override {
    return record == records() ? size_ : pieces_[static_cast<size_t>(record)].begin;
  }

  void read(int64_t begin, int64_t count, std::byte* out) const override {
    // The last piece that starts at or before `begin`.
    auto piece = std::upper_bound(pieces_.begin(), pieces_.end(), begin,
                                  [](int64_t position, const Piece& candidate) {
                                    return position < candidate.begin;
                                  }) -
                 1;
    for (; count > 0; ++piece) {
      const int64_t skipped = begin - piece->begin;
      const int64_t taken = std::min(count, static_cast<int64_t>(piece->size()) - skipped);
      piece->read(static_cast<size_t>(skipped), static_cast<size_t>(taken), out);
      begin += taken;
      out += taken;
      count -= taken;
    }
  }

 private:
  void append(const std::string& path) {
    Piece piece{size_, FileReader(path), {}};
    const size_t size = piece.size();
    if (size == 0) return;
    refuse_compressed(path, piece.file);
    const bool copied = size < kSmallestRead;
    if (copied) {
      piece.copy.resize(size);
      piece.file.read(0, size, piece.copy.data());
    }
    if (copied || held_ == most_held_) {
      piece.file.release();
    } else {
      ++held_;
    }
    files_.push_back({path, records()});
    pieces_.push_back(std::move(piece));
    size_ += static_cast<int64_t>(size);
  }

  std::vector<Piece> pieces_;  // none empty
  std::vector<StoredFile> files_;
  size_t most_held_ = descriptors_to_hold();
  size_t held_ = 0;  // descriptors; files beyond the most are opened for each read
  int64_t size_ = 0;
};

}  // namespace

std::unique_ptr<RecordStore> store_of_files(const std::vector<std::string>& files) {
  return std::make_unique<StoreOfFiles>(files);
}

}  // namespace lacuna
