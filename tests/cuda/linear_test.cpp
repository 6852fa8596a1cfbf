// The affine layer on the GPU against the specification.
#include "parity.h"

using namespace parity;

namespace {

using Size = proof::LinearSize;

// Aligned ones as in models, and such that no vector load fits.
const Size kSizes[] = {{128, 64, 192}, {1, 16, 8}, {257, 96, 256}, {33, 17, 5}, {65, 130, 63}};

// Fewer and more rows than a warp takes at once (8), and widths of several rounds of its lanes.
// 32 and its multiples are made on tensor cores, in tiles of 16 rows, four of them at once.
const Size kFewRows[] = {{1, 16, 8},    {3, 17, 5},   {8, 96, 256},   {9, 520, 40},
                         {17, 333, 63}, {1, 512, 12}, {16, 2048, 40}, {67, 288, 24}};

/// With a bias and without, with the activation and without.
std::vector<Size> kinds_of(Size size) {
  std::vector<Size> kinds;
  for (const bool bias : {true, false}) {
    for (const Activation activation : {Activation::kNone, Activation::kQuickGelu}) {
      size.bias = bias;
      size.activation = activation;
      kinds.push_back(size);
    }
  }
  return kinds;
}

Size head_of(Size size) {
  size.bias = false;
  size.wide_result = true;
  return size;
}

How seeded(const Size& size, int64_t more) {
  return {.seed = static_cast<uint64_t>(size.rows * 1000 + size.out + more)};
}

void check_rows_alone(Size size, DType dtype) {
  size.rows_alone = true;
  const auto all = prove(proof::linear_forward(size), dtype, seeded(size, 2));
  const std::vector<uint8_t> bits = all->bits("rows alone");
  for (const int64_t rows : {1, 7, 9}) {
    if (rows > size.rows) continue;
    CAPTURE(size.rows, size.in, size.out, name_of(dtype), rows);
    Side few(gpu_queue(), dtype, 0);
    const auto result = size.wide_result ? proof::Holds::kWide : proof::Holds::kActivations;
    launch(gpu_queue(), LinearForward{.x = all->operand("x").slice(0, size.rows - rows, rows),
                                      .weight = all->operand("weight"),
                                      .bias = size.bias ? all->operand("bias") : View(),
                                      .y = few.space("y", {rows, size.out}, result),
                                      .activation = size.activation,
                                      .rows_alone = true});
    const std::vector<uint8_t> last = few.bits("y");
    CHECK(same_bits(last, {bits.end() - static_cast<int64_t>(last.size()), bits.end()}));
    CHECK(few.intact());
  }
}

}  // namespace

TEST_CASE("The affine layer on the GPU gives what the specification gives", "[linear]") {
  for (const DType dtype : kActivationTypes) {
    for (const Size& size : kSizes) {
      for (const Size& kind : kinds_of(size)) {
        prove(proof::linear_forward(kind), dtype, seeded(size, 0));
      }
      prove(proof::linear_forward(head_of(size)), dtype, seeded(size, 0));
    }
  }
}

TEST_CASE("The gradients of the affine layer on the GPU are those of the specification",
          "[linear]") {
  for (const DType dtype : kActivationTypes) {
    for (const Size& size : kSizes) {
      for (const Size& kind : kinds_of(size)) {
        prove(proof::linear_backward(kind), dtype, seeded(size, 1));
      }
    }
  }
}

TEST_CASE("A row alone on the GPU is the affine layer, and its bits depend on no other row",
          "[linear]") {
  for (const DType dtype : kActivationTypes) {
    for (const Size& size : kFewRows) {
      for (const Size& kind : kinds_of(size)) check_rows_alone(kind, dtype);
      check_rows_alone(head_of(size), dtype);
    }
  }
}
