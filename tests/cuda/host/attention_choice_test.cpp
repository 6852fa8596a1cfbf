// Which kernels and tiles attention takes. Needs no GPU.
#include "../../../cuda/attention/choice.h"
#include "../../catch.h"

using namespace lacuna;
using namespace lacuna::cuda::attention;

TEST_CASE("Heads take the kernels of the smallest size that holds them", "[plan]") {
  struct Wanted {
    int64_t qk, v;
    int padded_qk, padded_v;
  };
  for (const Wanted& w : {Wanted{1, 1, 32, 32},
                          {32, 32, 32, 32},
                          {33, 32, 64, 64},
                          {16, 33, 64, 64},
                          {64, 65, 64, 128},
                          {64, 128, 64, 128},
                          {65, 1, 128, 128},
                          {128, 128, 128, 128}}) {
    for (const DType dtype : {DType::kF32, DType::kBF16, DType::kF16}) {
      const Choice choice = choose(Kernel::kForward, {.dtype = dtype, .qk = w.qk, .v = w.v});
      CAPTURE(w.qk, w.v);
      CHECK(choice.qk == w.padded_qk);
      CHECK(choice.v == w.padded_v);
      CHECK((choice.family == Family::kF32) == (dtype == DType::kF32));
    }
  }
}

TEST_CASE("The general kernels give a warp two fragments of rows where registers allow it",
          "[plan]") {
  for (const Kernel kernel : {Kernel::kForward, Kernel::kBackwardQueries, Kernel::kBackwardKeys}) {
    const auto rows_of = [&](DType dtype, int64_t qk, int64_t v) {
      return choose(kernel, {.dtype = dtype, .qk = qk, .v = v}).tile.group_rows;
    };
    CHECK(rows_of(DType::kBF16, 64, 64) == 32);
    CHECK(rows_of(DType::kBF16, 32, 32) == 16);
    CHECK(rows_of(DType::kF16, 64, 128) == 16);
    CHECK(rows_of(DType::kF32, 64, 64) == 16);
  }
}

TEST_CASE("Only the gradients of keys and values take keys as rows", "[plan]") {
  const Problem problem{.dtype = DType::kBF16, .qk = 64, .v = 64};
  CHECK(choose(Kernel::kForward, problem).rows == RowsAre::kQueries);
  CHECK(choose(Kernel::kBackwardQueries, problem).rows == RowsAre::kQueries);
  CHECK(choose(Kernel::kBackwardKeys, problem).rows == RowsAre::kKeys);
}
