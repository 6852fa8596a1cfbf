// The GPU's residual seam against the CPU in f64; dropout drops the same elements.
#include "lacuna/kernels/residual_norm.h"

#include <string_view>

#include "../catch.h"
#include "../compare.h"
#include "lacuna/kernels/layernorm.h"
#include "layer_tolerances.h"
#include "parity.h"

using namespace parity;

namespace {

struct Size {
  int64_t batch, length, width;
};

constexpr Size kSizes[] = {{1, 1, 5},     {1, 31, 16},   {3, 11, 17},    {5, 51, 96},
                           {1, 257, 256}, {3, 85, 512},  {2, 5500, 264}, {2, 2700, 520},
                           {1, 33, 1000}, {1, 31, 2048}, {2, 3, 4099},   {2, 11000, 16},
                           {3, 11, 20}};

Tensor zeros(const Shape& shape) {
  return Tensor::zeros(shape, DType::kF64);
}

StepState dropping_state() {
  StepState state;
  state.inputs.dropout_key = random_key(3, RandomUse::kDropout, 12);
  state.inputs.first_sample = (uint64_t{1} << 33) - 1;  // passes into another high word
  return state;
}

/// Which elements are zero.
std::vector<uint8_t> holes(const std::vector<double>& values) {
  std::vector<uint8_t> made;
  for (const double value : values) made.push_back(value == 0 ? 1 : 0);
  return made;
}

struct Seam {
  // `shifted_operand`: the one that lies where packs may not be read or written.
  Seam(const Size& size, DType stored, double rate, Random& random,
       std::string_view shifted_operand = "")
      : shifted(shifted_operand),
        dtype(stored),
        shape{size.batch, size.length, size.width},
        flat{size.batch * size.length, size.width},
        rows{size.batch * size.length},
        columns{size.width},
        residual(input("residual", random_both(random, shape, stored))),
        branch(input("branch", random_both(random, shape, stored, 0.5, 1))),  // no zeros
        dy(input("dy", random_both(random, shape, stored))),
        dsum(input("dsum", random_both(random, shape, stored))),
        gain(input("gain", random_both(random, columns, DType::kF32, 0.5, 1.5))),
        bias(input("bias", random_both(random, columns, DType::kF32))),
        gain_start(rounded(random.tensor<double>(columns), DType::kF32)),
        bias_start(rounded(random.tensor<double>(columns), DType::kF32)),
        state(dropping_state()),
        on_gpu(state),
        dropout{.rate = rate, .site = 5, .state = rate > 0 ? &state : nullptr},
        dropout_gpu{.rate = rate, .site = 5, .state = rate > 0 ? on_gpu.pointer() : nullptr} {}

  void check_forward();
  void check_backward(bool sum_is_read);

  Both input(std::string_view name, const Both& of) const {
    return name == shifted ? parity::shifted(of) : of;
  }
  GuardedGpu output(std::string_view name) const {
    return GuardedGpu(shape, dtype, name == shifted);
  }

  std::string_view shifted;
  DType dtype;
  Shape shape, flat, rows, columns;
  Both residual, branch, dy, dsum, gain, bias;
  Tensor gain_start, bias_start;
  StepState state;
  GpuState on_gpu;
  Dropout dropout, dropout_gpu;
};

void Seam::check_forward() {
  const Tensor sum = zeros(shape), y = zeros(shape), mean = zeros(rows), rstd = zeros(rows);
  run(cpu::Backend{}, cpu_queue(),
      ResidualNormForward{residual.exact, branch.exact, gain.exact, bias.exact, sum, y, mean, rstd,
                          1e-3, dropout});
  GuardedGpu sum_gpu = output("sum"), y_gpu = output("y"), mean_gpu(rows, DType::kF32),
             rstd_gpu(rows, DType::kF32);
  run(cuda::Backend{}, gpu_queue(),
      ResidualNormForward{residual.gpu, branch.gpu, gain.gpu, bias.gpu, sum_gpu, y_gpu, mean_gpu,
                          rstd_gpu, 1e-3, dropout_gpu});
  CHECK(relative_error(sum_gpu.values(), elements<double>(sum)) <= stored_tolerance(dtype));
  // The norm is of the sum as it is stored.
  const Tensor stored = widened(gpu_queue().to_host(sum_gpu.view()));
  run(cpu::Backend{}, cpu_queue(),
      LayerNormForward{stored.view().reshaped(flat), gain.exact, bias.exact,
                       y.view().reshaped(flat), mean, rstd, 1e-3});
  CHECK(relative_error(y_gpu.values(), elements<double>(y)) <= stored_tolerance(dtype));
  CHECK(relative_error(mean_gpu.values(), elements<double>(mean)) <= kTolerance32);
  CHECK(relative_error(rstd_gpu.values(), elements<double>(rstd)) <= kTolerance32);
  CHECK((sum_gpu.intact() && y_gpu.intact() && mean_gpu.intact() && rstd_gpu.intact()));
}

void Seam::check_backward(bool sum_is_read) {
  CAPTURE(sum_is_read);
  const Tensor sum = zeros(shape), mean = zeros(rows), rstd = zeros(rows), y = zeros(shape);
  run(cpu::Backend{}, cpu_queue(),
      LayerNormForward{residual.exact.view().reshaped(flat), gain.exact, bias.exact,
                       y.view().reshaped(flat), mean, rstd, 1e-3});
  const Both mean_both = both(mean, DType::kF32), rstd_both = both(rstd, DType::kF32);
  const Tensor dresidual = zeros(shape), dbranch = zeros(shape);
  const Tensor dgain = widened(gain_start), dbias = widened(bias_start);
  run(cpu::Backend{}, cpu_queue(),
      ResidualNormBackward{residual.exact, gain.exact, mean_both.exact, rstd_both.exact, dy.exact,
                           sum_is_read ? dsum.exact.view() : View(), dresidual, dbranch, dgain,
                           dbias, dropout});
  struct Outputs {
    GuardedGpu dresidual, dbranch, dgain, dbias;
  };
  const auto backward = [&] {
    Outputs made{output("dresidual"), output("dbranch"), GuardedGpu(gain_start.view()),
                 GuardedGpu(bias_start.view())};
    run(cuda::Backend{}, gpu_queue(),
        ResidualNormBackward{residual.gpu, gain.gpu, mean_both.gpu, rstd_both.gpu, dy.gpu,
                             sum_is_read ? dsum.gpu.view() : View(), made.dresidual, made.dbranch,
                             made.dgain, made.dbias, dropout_gpu});
    return made;
  };
  const Outputs got = backward(), again = backward();
  const double tolerance = stored_tolerance(dtype);
  CHECK(relative_error(got.dresidual.values(), elements<double>(dresidual)) <= tolerance);
  CHECK(relative_error(got.dbranch.values(), elements<double>(dbranch)) <= tolerance);
  CHECK(relative_error(got.dgain.values(), elements<double>(dgain)) <= kToleranceSums);
  CHECK(relative_error(got.dbias.values(), elements<double>(dbias)) <= kToleranceSums);
  CHECK(
      (got.dresidual.intact() && got.dbranch.intact() && got.dgain.intact() && got.dbias.intact()));
  CHECK(same_bits(got.dresidual.bits(), again.dresidual.bits()));
  CHECK(same_bits(got.dbranch.bits(), again.dbranch.bits()));
  CHECK(same_bits(got.dgain.bits(), again.dgain.bits()));
  CHECK(same_bits(got.dbias.bits(), again.dbias.bits()));
  if (dropout.rate == 0) CHECK(same_bits(got.dresidual.bits(), got.dbranch.bits()));
}

}  // namespace

TEST_CASE("The GPU's residual seam and its gradient agree with the specification",
          "[residual_norm]") {
  Random random(std::random_device{}());
  for (const DType dtype : kActivationTypes) {
    for (const Size& size : kSizes) {
      for (const double rate : {0.0, 0.25}) {
        CAPTURE(name_of(dtype), size.batch, size.length, size.width, rate);
        Seam seam(size, dtype, rate, random);
        seam.check_forward();
        seam.check_backward(true);
        seam.check_backward(false);
      }
    }
  }
}

TEST_CASE("The GPU's residual seam takes operands that are not aligned for packs",
          "[residual_norm]") {
  Random random(std::random_device{}());
  for (const DType dtype : kActivationTypes) {
    for (const Size& size : {Size{3, 11, 256}, Size{3, 11, 512}, Size{3, 11, 1024}}) {
      for (const char* operand : {"residual", "branch", "gain", "bias", "sum", "y", "dy", "dsum",
                                  "dresidual", "dbranch"}) {
        CAPTURE(name_of(dtype), size.width, operand);
        Seam seam(size, dtype, 0.25, random, operand);
        seam.check_forward();
        seam.check_backward(true);
      }
    }
  }
}

TEST_CASE("Dropout on the GPU drops exactly the elements that it drops on the CPU",
          "[residual_norm]") {
  Random random(8);
  for (const DType dtype : kActivationTypes) {
    for (const Size& size : kSizes) {
      for (const double rate : {0.1, 0.4}) {
        CAPTURE(name_of(dtype), size.batch, size.length, size.width, rate);
        Seam seam(size, dtype, rate, random);
        const Tensor zero = zeros(seam.shape), y = zeros(seam.shape), sum = zeros(seam.shape);
        const Tensor mean = zeros(seam.rows), rstd = zeros(seam.rows);
        const Both nothing = both(zero, dtype);
        run(cpu::Backend{}, cpu_queue(),
            ResidualNormForward{zero, seam.branch.exact, seam.gain.exact, seam.bias.exact, sum, y,
                                mean, rstd, 1e-3, seam.dropout});
        GuardedGpu sum_gpu(seam.shape, dtype), y_gpu(seam.shape, dtype),
            mean_gpu(seam.rows, DType::kF32), rstd_gpu(seam.rows, DType::kF32);
        run(cuda::Backend{}, gpu_queue(),
            ResidualNormForward{nothing.gpu, seam.branch.gpu, seam.gain.gpu, seam.bias.gpu, sum_gpu,
                                y_gpu, mean_gpu, rstd_gpu, 1e-3, seam.dropout_gpu});
        CHECK((holes(sum_gpu.values()) == holes(elements<double>(sum))));

        // Backward: a gain of 0 leaves dresidual = dsum, which has no zeros here.
        const Both no_gain = both(zeros(seam.columns), DType::kF32);
        GuardedGpu dresidual(seam.shape, dtype), dbranch(seam.shape, dtype),
            dgain(seam.gain_start.view()), dbias(seam.bias_start.view());
        run(cuda::Backend{}, gpu_queue(),
            ResidualNormBackward{sum_gpu, no_gain.gpu, mean_gpu, rstd_gpu, seam.dy.gpu,
                                 seam.branch.gpu, dresidual, dbranch, dgain, dbias,
                                 seam.dropout_gpu});
        CHECK((holes(dbranch.values()) == holes(elements<double>(sum))));
      }
    }
  }
}
