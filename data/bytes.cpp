// Format "bytes": files one after the other, each byte a symbol; a boundary between two files is
// just the next byte.
#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>
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

class Bytes : public Dataset {
 public:
  explicit Bytes(const DatasetConfig& config) {
    const SourceFiles sources = source_files(config.paths, config.suffixes, config.run);
    for (const std::string& path : sources.files) append(path);
    runs_ = sources.runs;
    if (size_ == 0) {
      throw Error(ErrorKind::kData, join(config.paths, ", "), "the data is empty",
                  "Check data.paths and data.suffixes");
    }
    split_ = parse_split(config.split, size_);
  }

  int64_t vocabulary() const override { return 256; }
  int64_t size(Split split) const override { return split_.size(split); }

  std::string identity(const BetweenPieces& between_pieces) const override {
    Checksum checksum;
    bool first = true;
    std::vector<std::byte> bytes(kPiece);
    for (const Piece& piece : pieces_) {
      for (size_t done = 0; done < piece.size(); done += kPiece) {
        if (!std::exchange(first, false) && between_pieces) between_pieces();
        const size_t count = std::min(kPiece, piece.size() - done);
        piece.read(done, count, bytes.data());
        checksum.add(bytes.data(), count);
      }
    }
    return str(checksum.text(), ':', size_);
  }

  std::string describe() const override {
    std::string text = str("bytes: ", grouped(static_cast<int64_t>(pieces_.size())),
                           pieces_.size() == 1 ? " file, " : " files, ", grouped(size_), " bytes");
    for (const Split split : kSplits) {
      text +=
          str(split == Split::kTrain ? ": " : ", ", split_name(split), ' ', grouped(size(split)));
    }
    return text + passed_over();
  }

 private:
  // Names the first few runs.
  std::string passed_over() const {
    constexpr size_t kMost = 3;
    if (runs_.empty()) return "";
    const size_t named = std::min(kMost, runs_.size());
    const std::vector<std::string> names(runs_.begin(),
                                         runs_.begin() + static_cast<int64_t>(named));
    const size_t more = runs_.size() - named;
    return str("; passed over the files of runs in ", printable(join(names, ", ")),
               more > 0 ? str(" and ", more, " more") : "");
  }

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
    std::array<std::byte, 1 << 14> bytes;
    while (count > 0) {
      const int64_t skipped = at - piece->begin,
                    left = static_cast<int64_t>(piece->size()) - skipped;
      if (left == 0) {
        ++piece;
        continue;
      }
      const int64_t taken = std::min({count, left, static_cast<int64_t>(bytes.size())});
      piece->read(static_cast<size_t>(skipped), static_cast<size_t>(taken), bytes.data());
      out = std::transform(bytes.begin(), bytes.begin() + taken, out,
                           [](std::byte symbol) { return std::to_integer<int32_t>(symbol); });
      at += taken;
      count -= taken;
    }
  }

  std::vector<Piece> pieces_;      // none empty
  std::vector<std::string> runs_;  // folders that were passed over
  size_t most_held_ = descriptors_to_hold();
  size_t held_ = 0;  // descriptors; files beyond the most are opened for each read
  int64_t size_ = 0;
  SplitBounds split_;
};

}  // namespace

std::unique_ptr<Dataset> make_bytes(const DatasetConfig& config) {
  return std::make_unique<Bytes>(config);
}

}  // namespace lacuna
