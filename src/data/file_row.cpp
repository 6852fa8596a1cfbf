#include "file_row.h"

#include <algorithm>
#include <utility>

namespace lacuna {
namespace {

/// Smaller files are copied: folders have many of them, and a descriptor each would be too many.
constexpr size_t kSmallestRead = 1 << 16;

}  // namespace

void FileRow::Piece::read(size_t from, size_t count, std::byte* out) const {
  if (copy.empty()) return file.read(from, count, out);
  std::copy_n(copy.begin() + static_cast<int64_t>(from), count, out);
}

void FileRow::append(FileReader file) {
  Piece piece{size_, std::move(file), {}};
  const size_t size = piece.size();
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

int64_t FileRow::begin(int64_t file) const {
  return file == files() ? size_ : pieces_[static_cast<size_t>(file)].begin;
}

void FileRow::read(int64_t begin, int64_t count, std::byte* out) const {
  // The last piece that starts at or before `begin`.
  auto piece = std::upper_bound(
                   pieces_.begin(), pieces_.end(), begin,
                   [](int64_t place, const Piece& candidate) { return place < candidate.begin; }) -
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

}  // namespace lacuna
