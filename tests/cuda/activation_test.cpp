// The activation of linear layers on the GPU against its formula in f64.
#include "lacuna/kernels/activation.h"

#include "../random_tensor.h"
#include "parity.h"

using namespace parity;

namespace {

struct Size {
  int64_t rows, width;
};

constexpr Size kSizes[] = {{1, 5},     {31, 16},   {33, 17},   {255, 96},   {257, 256}, {129, 512},
                           {127, 520}, {33, 1000}, {31, 2048}, {5000, 264}, {3000, 7}};

}  // namespace

TEST_CASE("The activation on the GPU agrees with its formula, in place too", "[activation]") {
  for (const DType dtype : kActivationTypes) {
    for (const Size& size : kSizes) {
      const How how;
      const auto apart = prove(proof::activate({size.rows, size.width}), dtype, how);
      const auto in_place = prove(
          proof::activate({.rows = size.rows, .width = size.width, .in_place = true}), dtype, how);
      CHECK(same_bits(apart->bits("y"), in_place->bits("y")));
    }
  }
}

TEST_CASE("Where exp overflows the activation on the GPU is 0 or its input", "[activation]") {
  const Tensor z = Tensor::zeros({4}, DType::kF64);
  for (int i = 0; i < 4; ++i)
    z.view().data<double>()[i] = std::vector{-60000., -60., 60., 60000.}[i];
  for (const DType dtype : kActivationTypes) {
    const Tensor stored = converted(z, dtype);
    Side side(gpu_queue(), dtype, 0);
    const View from = side.space("z", {4}), to = side.space("y", {4});
    gpu_queue().upload(from, stored.view().raw());
    cuda::quick_gelu_forward(gpu_queue(), from, to);
    const auto input = elements<double>(widened(stored));
    const auto y = elements<double>(widened(gpu_queue().to_host(to)));
    CHECK(y == std::vector<double>{0, y[1], input[2], input[3]});
    CHECK(std::fabs(y[1]) < 1e-40);
  }
}

TEST_CASE("The activation's gradient and its column sums on the GPU agree with their formulas",
          "[activation]") {
  for (const DType dtype : kActivationTypes) {
    for (const Size& size : kSizes) {
      const How how;
      const auto both = prove(proof::activation_backward({size.rows, size.width}), dtype, how);
      const auto alone =
          prove(proof::activation_backward({.rows = size.rows, .width = size.width, .bias = false}),
                dtype, how);
      CHECK(same_bits(both->bits("dz"), alone->bits("dz")));
    }
  }
}

TEST_CASE("Column sums on the GPU agree with f64 and repeat their bits", "[activation]") {
  for (const DType dtype : kActivationTypes) {
    for (const Size& size : kSizes) prove(proof::column_sums(size.rows, size.width), dtype);
  }
}
