// The activation of linear layers on the GPU against its formula in f64.
#include "lacuna/kernels/activation.h"

#include "../catch.h"
#include "../compare.h"
#include "layer_tolerances.h"
#include "parity.h"

using namespace parity;

namespace {

struct Size {
  int64_t rows, width;
};

constexpr Size kSizes[] = {{1, 5},     {31, 16},   {33, 17},   {255, 96},   {257, 256}, {129, 512},
                           {127, 520}, {33, 1000}, {31, 2048}, {5000, 264}, {3000, 7}};

double sigmoid(double x) {
  return 1 / (1 + std::exp(-x));
}

/// start[j] + sum over the rows.
std::vector<double> column_sums(const std::vector<double>& values, const Tensor& start) {
  std::vector<double> sums = elements<double>(widened(start));
  for (size_t i = 0; i < values.size(); ++i) sums[i % sums.size()] += values[i];
  return sums;
}

}  // namespace

TEST_CASE("The activation on the GPU agrees with its formula, in place too", "[activation]") {
  Random random(std::random_device{}());
  for (const DType dtype : kActivationTypes) {
    for (const Size& size : kSizes) {
      CAPTURE(name_of(dtype), size.rows, size.width);
      const Both z = random_both(random, {size.rows, size.width}, dtype, -12, 12);
      std::vector<double> wanted = elements<double>(z.exact);
      for (double& value : wanted) value *= sigmoid(1.702 * value);
      GuardedGpu y(z.exact.shape(), dtype), in_place(rounded(z.exact, dtype).view());
      cuda::quick_gelu_forward(gpu_queue(), z.gpu, y);
      cuda::quick_gelu_forward(gpu_queue(), in_place, in_place);
      CHECK(same_bits(y.bits(), in_place.bits()));
      // Results of the order of 1: those below the normal numbers of f16 have fewer digits.
      std::vector<double> got = y.values();
      got.push_back(1);
      wanted.push_back(1);
      CHECK(relative_error(got, wanted) <= stored_tolerance(dtype));
      CHECK(y.intact());
    }
  }
}

TEST_CASE("Where exp overflows the activation on the GPU is 0 or its input", "[activation]") {
  const Tensor z = Tensor::zeros({4}, DType::kF64);
  for (int i = 0; i < 4; ++i)
    z.view().data<double>()[i] = std::vector{-60000., -60., 60., 60000.}[i];
  for (const DType dtype : kActivationTypes) {
    const Both sides = both(z, dtype);
    GuardedGpu y({4}, dtype);
    cuda::quick_gelu_forward(gpu_queue(), sides.gpu, y);
    const std::vector<double> input = elements<double>(sides.exact);
    CHECK(y.values() == std::vector<double>{0, y.values()[1], input[2], input[3]});
    CHECK(std::fabs(y.values()[1]) < 1e-40);
  }
}

TEST_CASE("The activation's gradient and its column sums on the GPU agree with their formulas",
          "[activation]") {
  Random random(std::random_device{}());
  for (const DType dtype : kActivationTypes) {
    for (const Size& size : kSizes) {
      CAPTURE(name_of(dtype), size.rows, size.width);
      const Shape shape{size.rows, size.width};
      const Both z = random_both(random, shape, dtype, -4, 4),
                 dy = random_both(random, shape, dtype);
      const Tensor dy_start = rounded(dy.exact, dtype);
      const Tensor start = rounded(random.tensor<double>({size.width}), DType::kF32);
      std::vector<double> wanted = elements<double>(dy.exact);
      for (size_t i = 0; i < wanted.size(); ++i) {
        const double value = 1.702 * z.exact.view().data<double>()[i];
        wanted[i] *= sigmoid(value) * (1 + value * (1 - sigmoid(value)));
      }
      GuardedGpu dz(dy_start.view()), dbias(start.view());
      GuardedGpu dz_again(dy_start.view()), dbias_again(start.view()), alone(dy_start.view());
      cuda::quick_gelu_backward(gpu_queue(), z.gpu, dz, dbias);
      cuda::quick_gelu_backward(gpu_queue(), z.gpu, dz_again, dbias_again);
      cuda::quick_gelu_backward(gpu_queue(), z.gpu, alone, {});
      CHECK(relative_error(dz.values(), wanted) <= stored_tolerance(dtype));
      CHECK(relative_error(dbias.values(), column_sums(wanted, start)) <= kToleranceSums);
      CHECK((dz.intact() && dbias.intact()));
      CHECK(same_bits(dz.bits(), dz_again.bits()));
      CHECK(same_bits(dbias.bits(), dbias_again.bits()));
      CHECK(same_bits(dz.bits(), alone.bits()));
    }
  }
}

TEST_CASE("Column sums on the GPU agree with f64 and repeat their bits", "[activation]") {
  Random random(std::random_device{}());
  for (const DType dtype : kActivationTypes) {
    for (const Size& size : kSizes) {
      CAPTURE(name_of(dtype), size.rows, size.width);
      const Both dz = random_both(random, {size.rows, size.width}, dtype);
      const Tensor start = rounded(random.tensor<double>({size.width}), DType::kF32);
      GuardedGpu sums(start.view()), again(start.view());
      cuda::add_column_sums(gpu_queue(), dz.gpu, sums);
      cuda::add_column_sums(gpu_queue(), dz.gpu, again);
      CHECK(relative_error(sums.values(), column_sums(elements<double>(dz.exact), start)) <=
            kToleranceSums);
      CHECK(sums.intact());
      CHECK(same_bits(sums.bits(), again.bits()));
    }
  }
}
