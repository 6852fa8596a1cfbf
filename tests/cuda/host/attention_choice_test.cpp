// Which kernels and tiles attention takes. Needs no GPU.
#include "../../../cuda/attention/choice.h"
#include "../../catch.h"
#include "lacuna/sparse/pattern.h"

using namespace lacuna;
using namespace lacuna::cuda::attention;
using cuda::AttentionKernels;

namespace {

const HeadPasses kDense = sparse::head_passes(*sparse::parse_pattern("dense()"), 2, 100);

Choice chosen(Kernel kernel, const Problem& problem,
              AttentionKernels wanted = AttentionKernels::kAutomatic,
              const HeadPasses& passes = kDense) {
  return choose(kernel, problem, passes, wanted);
}

}  // namespace

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
      const Choice choice = chosen(Kernel::kForward, {.dtype = dtype, .qk = w.qk, .v = w.v});
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
      return chosen(kernel, {.dtype = dtype, .qk = qk, .v = v}).tile.group_rows;
    };
    CHECK(rows_of(DType::kBF16, 64, 64) == 32);
    CHECK(rows_of(DType::kBF16, 32, 32) == 16);
    CHECK(rows_of(DType::kF16, 64, 128) == 16);
    CHECK(rows_of(DType::kF32, 64, 64) == 16);
  }
}

TEST_CASE("Only the gradients of keys and values take keys as rows", "[plan]") {
  const Problem problem{.dtype = DType::kBF16, .qk = 64, .v = 64};
  CHECK(chosen(Kernel::kForward, problem).rows == RowsAre::kQueries);
  CHECK(chosen(Kernel::kBackwardQueries, problem).rows == RowsAre::kQueries);
  CHECK(chosen(Kernel::kBackwardKeys, problem).rows == RowsAre::kKeys);
}

TEST_CASE("Hopper's kernels run where they are wanted and can", "[plan]") {
  const Problem hopper{.dtype = DType::kBF16, .qk = 64, .v = 128, .capability = 90};
  const auto family = [](const Problem& problem, AttentionKernels wanted,
                         Kernel kernel = Kernel::kForward) {
    return chosen(kernel, problem, wanted).family;
  };
  CHECK(family(hopper, AttentionKernels::kAutomatic) == Family::kSm90);
  CHECK(chosen(Kernel::kForward, hopper).tile.shares_tiles);
  CHECK(family(hopper, AttentionKernels::kGeneral) == Family::kGeneral);
  CHECK(family(hopper, AttentionKernels::kAutomatic, Kernel::kBackwardQueries) == Family::kSm90);
  CHECK(family(hopper, AttentionKernels::kAutomatic, Kernel::kBackwardKeys) == Family::kSm90);
  CHECK(chosen(Kernel::kBackwardKeys, hopper, AttentionKernels::kAutomatic).rows == RowsAre::kKeys);
  const auto unfit = [&](auto change) {
    Problem problem = hopper;
    change(problem);
    return family(problem, AttentionKernels::kAutomatic) != Family::kSm90;
  };
  CHECK(unfit([](Problem& p) { p.dtype = DType::kF32; }));
  CHECK(unfit([](Problem& p) { p.qk = 48; }));
  CHECK(unfit([](Problem& p) { p.v = 32; }));
  CHECK(unfit([](Problem& p) { p.aligned = false; }));
  CHECK(unfit([](Problem& p) { p.capability = 80; }));
  CHECK(unfit([](Problem& p) { p.capability = 100; }));
}

TEST_CASE("Hopper's kernels take no more passes than they have maps for", "[plan]") {
  const Problem hopper{.dtype = DType::kF16, .qk = 32, .v = 32, .capability = 90};
  const auto family = [&](const char* pattern, int64_t heads, Kernel kernel = Kernel::kForward) {
    const HeadPasses passes = sparse::head_passes(*sparse::parse_pattern(pattern), heads, 512);
    return chosen(kernel, hopper, AttentionKernels::kAutomatic, passes).family;
  };
  CHECK(family("fixed(128, 8, 15)", 15) == Family::kSm90);     // the own block, 15 summaries
  CHECK(family("fixed(128, 8, 16)", 16) == Family::kGeneral);  // and 16
  CHECK(family("strided(8)", 64) == Family::kSm90);            // the same two for all heads
  // Backward each pass is walked from both sides.
  CHECK(family("fixed(128, 8, 7)", 7, Kernel::kBackwardQueries) == Family::kSm90);
  CHECK(family("fixed(128, 8, 8)", 8, Kernel::kBackwardQueries) == Family::kGeneral);
}
