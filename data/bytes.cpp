// Format "bytes": files one after the other, each byte a symbol; a boundary between two files is
// just the next byte.
#include <algorithm>
#include <cstddef>
#include <utility>

#include "lacuna/base/error.h"
#include "lacuna/base/files.h"
#include "lacuna/base/text.h"
#include "lacuna/data/checksum.h"
#include "lacuna/data/dataset.h"
#include "lacuna/data/source_files.h"
#include "lacuna/data/split.h"

namespace lacuna {
namespace {

/// Smaller files are copied: a process has only some 65,000 maps, and folders have more files.
constexpr size_t kSmallestMap = 1 << 16;

struct Piece {
  int64_t begin;  // where the file starts in the whole sequence
  MappedFile map;
  std::vector<std::byte> copy;  // instead of the map

  const std::byte* data() const { return copy.empty() ? map.data() : copy.data(); }
  size_t size() const { return copy.empty() ? map.size() : copy.size(); }
};

class Bytes : public Dataset {
 public:
  explicit Bytes(const DatasetConfig& config) {
    for (const std::string& path : source_files(config.paths, config.suffixes)) append(path);
    if (size_ == 0) {
      throw Error(ErrorKind::kData, join(config.paths, ", "), "the data is empty",
                  "Check data.paths and data.suffixes");
    }
    split_ = parse_split(config.split, size_);
  }

  int64_t vocabulary() const override { return 256; }
  int64_t size(Split split) const override { return split_.size(split); }

  std::string identity() const override {
    Checksum checksum;
    for (const Piece& piece : pieces_) checksum.add(piece.data(), piece.size());
    return str(checksum.text(), ':', size_);
  }

  std::string describe() const override {
    std::string text = str("bytes: ", grouped(static_cast<int64_t>(pieces_.size())),
                           pieces_.size() == 1 ? " file, " : " files, ", grouped(size_), " bytes");
    for (const Split split : kSplits) {
      text +=
          str(split == Split::kTrain ? ": " : ", ", split_name(split), ' ', grouped(size(split)));
    }
    return text;
  }

 private:
  void append(const std::string& path) {
    Piece piece{size_, MappedFile(path), {}};
    const size_t size = piece.map.size();
    if (size == 0) return;
    if (size < kSmallestMap) {
      piece.copy.assign(piece.map.data(), piece.map.data() + size);
      piece.map = MappedFile();
    }
    pieces_.push_back(std::move(piece));
    size_ += static_cast<int64_t>(size);
  }

  void do_read(Split split, int64_t begin, int64_t count, int32_t* out) const override {
    int64_t at = split_.begin(split) + begin;
    // The last piece that starts at or before `at`.
    auto piece = std::upper_bound(pieces_.begin(), pieces_.end(), at,
                                  [](int64_t position, const Piece& candidate) {
                                    return position < candidate.begin;
                                  }) -
                 1;
    for (; count > 0; ++piece) {
      const int64_t skipped = at - piece->begin;
      const int64_t taken = std::min(count, static_cast<int64_t>(piece->size()) - skipped);
      out = std::transform(piece->data() + skipped, piece->data() + skipped + taken, out,
                           [](std::byte symbol) { return std::to_integer<int32_t>(symbol); });
      at += taken;
      count -= taken;
    }
  }

  std::vector<Piece> pieces_;  // none empty
  int64_t size_ = 0;
  SplitBounds split_;
};

}  // namespace

std::unique_ptr<Dataset> make_bytes(const DatasetConfig& config) {
  return std::make_unique<Bytes>(config);
}

}  // namespace lacuna
