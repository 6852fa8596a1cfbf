// The GPU's layer normalisation against the CPU in f64.
#include "parity.h"

using namespace parity;

namespace {

// Widths for half a warp a row, one, several, one pack short of whole, packs of one element, whole
// blocks; rows so many that backward a group of each kind uses its shared memory more than once.
constexpr proof::NormSize kSizes[] = {
    {1, 5},      {31, 16},   {33, 17},     {255, 96},   {13001, 256}, {33, 257},
    {1, 512},    {257, 512}, {11000, 264}, {5400, 520}, {33, 1000},   {31, 2048},
    {257, 2047}, {5, 4099},  {3, 8192},    {22000, 16}, {33, 20},     {600, 4096}};

}  // namespace

TEST_CASE("The GPU's layer normalisation and its gradient agree with the specification",
          "[layernorm]") {
  for (const DType dtype : kActivationTypes) {
    for (const proof::NormSize& size : kSizes) {
      prove(proof::layernorm_forward(size), dtype);
      prove(proof::layernorm_backward(size), dtype);
    }
  }
}

TEST_CASE("Layer normalisation on the GPU takes operands that are not aligned for packs",
          "[layernorm]") {
  for (const DType dtype : kActivationTypes) {
    for (const int64_t width : {256, 512, 1024}) {
      for (const char* operand : {"x", "gain", "bias", "y"}) {
        prove(proof::layernorm_forward({33, width}), dtype, {.shifted = operand});
      }
      for (const char* operand : {"x", "gain", "dy", "dx"}) {
        prove(proof::layernorm_backward({33, width}), dtype, {.shifted = operand});
      }
    }
  }
}

TEST_CASE("A large mean does not spoil the variance on the GPU", "[layernorm]") {
  const proof::Entry entry =
      proof::layernorm_forward({.rows = 64, .width = 512, .x = {1000, 1001}});
  const auto got = ran(entry, DType::kF32, {.seed = 6});
  Side want(cpu_queue(), *got);
  entry.make(want)();
  // The mean errs by units of 1000, a deviation of 0.3 by 3000 units; one pass would err by 10^7.
  CHECK(proof::relative_error(got->values("rstd"), want.values("rstd")) <= 3000 * 0x1p-24);
}
