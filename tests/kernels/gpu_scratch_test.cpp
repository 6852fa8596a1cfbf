// What the GPU's ops leave in the workspace of their queue, for all sizes that a run may have.
#include "../../cuda/scratch.h"
#include "../catch.h"
#include "lacuna/kernels/gpu_limits.h"
#include "lacuna/tensor/gpus.h"

using namespace lacuna;
using namespace lacuna::cuda;

namespace {

constexpr auto kRoom = static_cast<int64_t>(QueueConfig{}.workspace);
constexpr int64_t kWidths[] = {1, 3, 16, 128, 512, 1000, 1024, 8192, 65536};
constexpr int64_t kLongest = int64_t{1} << 24;  // model.context is at most that
const std::vector<int64_t> kTokens = {1,
                                      2,
                                      255,
                                      4096,
                                      12 * 8192,
                                      int64_t{1} << 22,
                                      (int64_t{1} << 22) + 1,
                                      65536 * 255,
                                      65536 * 1023,
                                      kLimits.tokens};

}  // namespace

TEST_CASE("The sort of the token table's gradient fits in the workspace", "[scratch]") {
  for (const int64_t tokens : kTokens) {
    for (const int64_t width : kWidths) {
      CAPTURE(tokens, width);
      const TokenSort sort = token_sort(tokens, width, kRoom);
      CHECK(sort.ints(width) * int64_t{sizeof(int)} <= kRoom);
      CHECK(sort.round >= 1);
      CHECK(sort.pieces * sort.piece >= sort.round);
      CHECK(divide_up(sort.pieces, 2) <= kMostBlocksAlongY);
      // Rounds are as long as they can be, to within the half.
      if (sort.round < tokens) CHECK(2 * sort.sort_ints() * int64_t{sizeof(int)} > kRoom / 4);
    }
  }
}

TEST_CASE("Tokens of usual steps are sorted in one round", "[scratch]") {
  for (const int64_t tokens : {12 * 8192, 8 * 12288, 1 << 20, 4'000'000}) {
    CHECK(token_sort(tokens, 512, kRoom).round == tokens);
  }
}

TEST_CASE("The sums over samples of the positions' gradient fit in the workspace", "[scratch]") {
  for (const int64_t positions : kTokens) {
    if (positions > kLongest) continue;
    for (const int64_t width : kWidths) {
      CAPTURE(positions, width);
      const PositionSums sums = position_sums(positions, width, kRoom);
      CHECK(sums.bytes(positions) <= kRoom);
      CHECK(sums.columns >= 1);
      const bool of_packs = sums.columns % 8 == 0 || sums.columns == width;
      CHECK((of_packs || 16 * positions * int64_t{sizeof(float)} > kRoom / 2));
    }
  }
  CHECK(position_sums(kLongest, 512, kRoom).bytes(kLongest) <= kRoom);
  CHECK(position_sums(12288, 512, kRoom).columns == 512);
}

TEST_CASE("Partial sums of columns fit in the workspace and in a launch", "[scratch]") {
  for (const int64_t rows : kTokens) {
    for (const int64_t width : kWidths) {
      CAPTURE(rows, width);
      const ColumnSums sums = column_sums(rows, width, 128);
      CHECK(sums.bytes(width) <= kRoom);
      CHECK(sums.parts <= kMostBlocksAlongY);
      CHECK(sums.parts * sums.rows_per_block >= rows);
      CHECK(most_partial_rows(2 * width) * 2 * width * int64_t{sizeof(float)} <= kRoom);
    }
  }
}
