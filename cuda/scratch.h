// How ops cut up their work so that what they leave in the queue's workspace fits there, whatever
// their sizes. Pure functions of sizes and bytes without a header of CUDA, so that every build
// tests them (tests/kernels/gpu_scratch_test.cpp): an op that wants more than the workspace has
// would fail after the budget has accepted the run.
#pragma once

#include <algorithm>
#include <cstdint>

#include "lacuna/base/error.h"

namespace lacuna::cuda {

constexpr int64_t divide_up(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

/// A launch has at most so many blocks along y and along z.
inline constexpr int kMostBlocksAlongY = 65535;

/// Bytes of the workspace that partial sums over rows are kept within.
inline constexpr int64_t kPartialBytes = int64_t{8} << 20;

/// Rows of `width` sums in f32 that partial sums may have.
constexpr int64_t most_partial_rows(int64_t width) {
  return std::max<int64_t>(kPartialBytes / (width * int64_t{sizeof(float)}), 1);
}

/// Sums of the columns of [rows, width]: each block of rows leaves one row of sums.
struct ColumnSums {
  int64_t rows_per_block, parts;

  int64_t bytes(int64_t width) const { return parts * width * int64_t{sizeof(float)}; }
};
inline ColumnSums column_sums(int64_t rows, int64_t width, int64_t least_rows_per_block) {
  const int64_t most = std::min<int64_t>(most_partial_rows(width), kMostBlocksAlongY);
  int64_t rows_per_block = least_rows_per_block;
  while (divide_up(rows, rows_per_block) > most) rows_per_block *= 2;
  return {rows_per_block, divide_up(rows, rows_per_block)};
}

/// Gradients of positions: dy is summed over the samples for so many columns at a time, a multiple
/// of 8 or all of them; where 8 do not fit in `room`, the bytes of the workspace, 4, 2 or 1.
struct PositionSums {
  int64_t columns;

  int64_t bytes(int64_t positions) const { return positions * columns * int64_t{sizeof(float)}; }
};
inline PositionSums position_sums(int64_t positions, int64_t width, int64_t room) {
  constexpr int64_t kSumBytes = int64_t{32} << 20, kPack = 8;
  const int64_t of_column = positions * int64_t{sizeof(float)};
  int64_t columns = std::max(kSumBytes / of_column / kPack, int64_t{1}) * kPack;
  while (columns > 1 && columns * of_column > room) columns /= 2;
  require(columns * of_column <= room, "position_sums", "one column is larger than the workspace");
  return {std::min(width, columns)};
}

/// Gradients of the token table: entries are sorted by token, `round` of them at a time, and added
/// up in pieces that leave the sums at their borders.
struct TokenSort {
  static constexpr int kChunk = 256, kDigits = 256;

  int64_t round;   // entries; the last round may have fewer
  int64_t piece;   // entries of a piece
  int64_t pieces;  // of a whole round
  int64_t sort_ints() const { return 2 * round + kDigits * (divide_up(round, kChunk) + 1); }
  int64_t ints(int64_t width) const { return sort_ints() + 2 * pieces * (width + 1); }
};

/// All entries in one round where `room` bytes have space for it, else halves, quarters ... of them
/// in whole chunks.
inline TokenSort token_sort(int64_t entries, int64_t width, int64_t room) {
  constexpr int64_t kLeastPiece = 64, kBorderBytes = int64_t{16} << 20;
  const auto of_round = [&](int64_t round) {
    TokenSort sort{.round = round, .piece = kLeastPiece, .pieces = 0};
    const int64_t of_piece = width * 2 * int64_t{sizeof(float)};
    while (sort.piece < round && divide_up(round, sort.piece) * of_piece > kBorderBytes) {
      sort.piece *= 2;
    }
    sort.pieces = divide_up(round, sort.piece);
    return sort;
  };
  const auto fits = [&](int64_t round) {
    return of_round(round).ints(width) * int64_t{sizeof(int)} <= room;
  };
  if (fits(entries)) return of_round(entries);
  int64_t chunks = divide_up(entries, TokenSort::kChunk);
  while (chunks > 1 && !fits(chunks * TokenSort::kChunk)) chunks = divide_up(chunks, 2);
  require(fits(chunks * TokenSort::kChunk), "token_sort", "a chunk is larger than the workspace");
  return of_round(chunks * TokenSort::kChunk);
}

}  // namespace lacuna::cuda
