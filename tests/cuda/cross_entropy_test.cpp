// The GPU's cross-entropy against the CPU in f64.
#include "parity.h"

using namespace parity;

namespace {

struct Size {
  int64_t rows, classes;
};

constexpr Size kSizes[] = {{1, 2},     {31, 5},   {33, 16},  {255, 17}, {257, 255},
                           {257, 256}, {31, 257}, {33, 520}, {5, 1000}, {33, 1023},
                           {33, 1024}, {3, 1025}, {9, 2048}, {9, 2047}, {3, 65536}};

}  // namespace

TEST_CASE("The GPU's cross-entropy and its gradient agree with the specification",
          "[cross_entropy]") {
  for (const Size& size : kSizes) {
    for (const DType dtype : kActivationTypes) {
      prove(proof::cross_entropy({size.rows, size.classes}), dtype);
    }
  }
}

TEST_CASE("On the GPU the gradient may overwrite the logits, or be left out", "[cross_entropy]") {
  for (const Size& size : kSizes) {
    const How how{.seed = 10};
    const auto in_place =
        prove(proof::cross_entropy({.rows = size.rows, .classes = size.classes, .in_place = true}),
              DType::kF32, how);
    const auto alone =
        prove(proof::cross_entropy({.rows = size.rows, .classes = size.classes, .gradient = false}),
              DType::kF32, how);
    CHECK(same_bits(in_place->bits("losses"), alone->bits("losses")));
  }
}

TEST_CASE("Without a state the loss scale on the GPU is 1", "[cross_entropy]") {
  prove(proof::cross_entropy({.rows = 33, .classes = 256, .state = false}), DType::kF32);
}
