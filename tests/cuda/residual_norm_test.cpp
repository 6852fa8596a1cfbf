// The GPU's residual seam against the CPU in f64; dropout drops the same elements.
#include "parity.h"

using namespace parity;

namespace {

using Size = proof::SeamSize;

constexpr Size kSizes[] = {{1, 1, 5},     {1, 31, 16},   {3, 11, 17},    {5, 51, 96},
                           {1, 257, 256}, {3, 85, 512},  {2, 5500, 264}, {2, 2700, 520},
                           {1, 33, 1000}, {1, 31, 2048}, {2, 3, 4099},   {2, 11000, 16},
                           {3, 11, 20}};

}  // namespace

TEST_CASE("The GPU's residual seam and its gradient agree with the specification",
          "[residual_norm]") {
  for (const DType dtype : kActivationTypes) {
    for (Size size : kSizes) {
      for (const double rate : {0.0, 0.25}) {
        size.dropout = rate;
        prove(proof::residual_norm_forward(size), dtype);
        for (const bool reads_sum : {true, false}) {
          size.reads_sum = reads_sum;
          const auto got = prove(proof::residual_norm_backward(size), dtype);
          if (rate == 0) CHECK(same_bits(got->bits("dresidual"), got->bits("dbranch")));
        }
      }
    }
  }
}

TEST_CASE("The GPU's residual seam takes operands that are not aligned for packs",
          "[residual_norm]") {
  for (const DType dtype : kActivationTypes) {
    for (const int64_t width : {256, 512, 1024}) {
      const Size size{.batch = 3, .length = 11, .width = width, .dropout = 0.25};
      for (const char* operand : {"residual", "branch", "gain", "bias", "sum", "y"}) {
        prove(proof::residual_norm_forward(size), dtype, {.shifted = operand});
      }
      for (const char* operand : {"sum", "gain", "dy", "dsum", "dresidual", "dbranch"}) {
        prove(proof::residual_norm_backward(size), dtype, {.shifted = operand});
      }
    }
  }
}

// What is dropped or kept is not near 0 there, so another choice is an error of a large part of the
// largest element.
TEST_CASE("Dropout on the GPU drops exactly the elements that it drops on the CPU",
          "[residual_norm]") {
  for (const DType dtype : kActivationTypes) {
    for (Size size : kSizes) {
      for (const double rate : {0.1, 0.4}) {
        size.dropout = rate;
        size.no_norm = true;
        prove(proof::residual_norm_forward(size), dtype);
        prove(proof::residual_norm_backward(size), dtype);
      }
    }
  }
}
