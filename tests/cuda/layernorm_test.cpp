// The GPU's layer normalisation against the CPU in f64.
#include "lacuna/kernels/layernorm.h"

#include <string_view>

#include "../catch.h"
#include "../compare.h"
#include "layer_tolerances.h"
#include "parity.h"

using namespace parity;

namespace {

struct Size {
  int64_t rows, width;
};

// Widths for half a warp a row, one, several, one pack short of whole, packs of one element, whole
// blocks; rows so many that backward a group of each kind uses its shared memory more than once.
constexpr Size kSizes[] = {{1, 5},      {31, 16},   {33, 17},    {255, 96},    {13001, 256},
                           {33, 257},   {1, 512},   {257, 512},  {11000, 264}, {5400, 520},
                           {33, 1000},  {31, 2048}, {257, 2047}, {5, 4099},    {3, 8192},
                           {22000, 16}, {33, 20},   {600, 4096}};

// `shifted`: the operand that lies where packs may not be read or written.
void check_norm(const Size& size, DType dtype, Random& random, std::string_view shifted = "") {
  CAPTURE(name_of(dtype), size.rows, size.width, shifted);
  const auto input = [&](std::string_view name, const Both& of) {
    return name == shifted ? parity::shifted(of) : of;
  };
  const Shape shape{size.rows, size.width}, columns{size.width}, rows{size.rows};
  const Both x = input("x", random_both(random, shape, dtype, -1, 3));
  const Both dy = input("dy", random_both(random, shape, dtype));
  const Both gain = input("gain", random_both(random, columns, DType::kF32, 0.5, 1.5));
  const Both bias = input("bias", random_both(random, columns, DType::kF32));
  const double eps = 1e-3;  // large enough to be missed when it is forgotten
  const auto zeros = [](const Shape& of) { return Tensor::zeros(of, DType::kF64); };

  const Tensor y = zeros(shape), mean = zeros(rows), rstd = zeros(rows);
  run(cpu::Backend{}, cpu_queue(),
      LayerNormForward{x.exact, gain.exact, bias.exact, y, mean, rstd, eps});
  GuardedGpu y_gpu(shape, dtype, shifted == "y"), mean_gpu(rows, DType::kF32),
      rstd_gpu(rows, DType::kF32);
  run(cuda::Backend{}, gpu_queue(),
      LayerNormForward{x.gpu, gain.gpu, bias.gpu, y_gpu, mean_gpu, rstd_gpu, eps});
  CHECK(relative_error(y_gpu.values(), elements<double>(y)) <= stored_tolerance(dtype));
  CHECK(relative_error(mean_gpu.values(), elements<double>(mean)) <= kTolerance32);
  CHECK(relative_error(rstd_gpu.values(), elements<double>(rstd)) <= kTolerance32);
  CHECK((y_gpu.intact() && mean_gpu.intact() && rstd_gpu.intact()));

  const Both mean_both = both(mean, DType::kF32), rstd_both = both(rstd, DType::kF32);
  const Both gain_start = random_both(random, columns, DType::kF32);
  const Both bias_start = random_both(random, columns, DType::kF32);
  const Tensor dx = zeros(shape), dgain = widened(gain_start.exact),
               dbias = widened(bias_start.exact);
  run(cpu::Backend{}, cpu_queue(),
      LayerNormBackward{x.exact, gain.exact, mean_both.exact, rstd_both.exact, dy.exact, dx, dgain,
                        dbias});
  const auto backward = [&](const GuardedGpu& to, const GuardedGpu& gains,
                            const GuardedGpu& biases) {
    run(cuda::Backend{}, gpu_queue(),
        LayerNormBackward{x.gpu, gain.gpu, mean_both.gpu, rstd_both.gpu, dy.gpu, to, gains,
                          biases});
  };
  const Tensor gain_host = rounded(gain_start.exact, DType::kF32);
  const Tensor bias_host = rounded(bias_start.exact, DType::kF32);
  GuardedGpu dx_gpu(shape, dtype, shifted == "dx"), dgain_gpu(gain_host.view()),
      dbias_gpu(bias_host.view());
  backward(dx_gpu, dgain_gpu, dbias_gpu);
  CHECK(relative_error(dx_gpu.values(), elements<double>(dx)) <= stored_tolerance(dtype));
  CHECK(relative_error(dgain_gpu.values(), elements<double>(dgain)) <= kToleranceSums);
  CHECK(relative_error(dbias_gpu.values(), elements<double>(dbias)) <= kToleranceSums);
  CHECK((dx_gpu.intact() && dgain_gpu.intact() && dbias_gpu.intact()));

  GuardedGpu dx_again(shape, dtype, shifted == "dx"), dgain_again(gain_host.view()),
      dbias_again(bias_host.view());
  backward(dx_again, dgain_again, dbias_again);
  CHECK(same_bits(dx_gpu.bits(), dx_again.bits()));
  CHECK(same_bits(dgain_gpu.bits(), dgain_again.bits()));
  CHECK(same_bits(dbias_gpu.bits(), dbias_again.bits()));
}

}  // namespace

TEST_CASE("The GPU's layer normalisation and its gradient agree with the specification",
          "[layernorm]") {
  Random random(std::random_device{}());
  for (const DType dtype : kActivationTypes) {
    for (const Size& size : kSizes) check_norm(size, dtype, random);
  }
}

TEST_CASE("Layer normalisation on the GPU takes operands that are not aligned for packs",
          "[layernorm]") {
  Random random(std::random_device{}());
  for (const DType dtype : kActivationTypes) {
    for (const Size& size : {Size{33, 256}, Size{33, 512}, Size{33, 1024}}) {
      for (const char* operand : {"x", "gain", "bias", "y", "dy", "dx"}) {
        check_norm(size, dtype, random, operand);
      }
    }
  }
}

TEST_CASE("A large mean does not spoil the variance on the GPU", "[layernorm]") {
  Random random(6);
  const Both x = random_both(random, {64, 512}, DType::kF32, 1000, 1001);
  const Both gain = random_both(random, {512}, DType::kF32, 1, 1);
  const Both bias = random_both(random, {512}, DType::kF32, 0, 0);
  const Tensor y = Tensor::zeros({64, 512}, DType::kF64), mean = Tensor::zeros({64}, DType::kF64);
  const Tensor rstd = Tensor::zeros({64}, DType::kF64);
  GuardedGpu y_gpu({64, 512}, DType::kF32), mean_gpu({64}, DType::kF32),
      rstd_gpu({64}, DType::kF32);
  run(cpu::Backend{}, cpu_queue(),
      LayerNormForward{x.exact, gain.exact, bias.exact, y, mean, rstd, 1e-5});
  run(cuda::Backend{}, gpu_queue(),
      LayerNormForward{x.gpu, gain.gpu, bias.gpu, y_gpu, mean_gpu, rstd_gpu, 1e-5});
  // The mean errs by units of 1000, a deviation of 0.3 by 3000 units; one pass would err by 10^7.
  CHECK(relative_error(rstd_gpu.values(), elements<double>(rstd)) <= 3000 * 0x1p-24);
}
