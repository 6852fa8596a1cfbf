// The affine layer on the GPU against the specification.
#include "lacuna/kernels/linear.h"

#include "../catch.h"
#include "../compare.h"
#include "layer_tolerances.h"
#include "parity.h"

using namespace lacuna;
using namespace parity;

namespace {

// Sums of up to 2,048 products in f32, of lanes or tiles and then of these
// (tests/kernels/tolerances.h allows 40 units for 257 one after the other), rounded once, and a
// second time where cuBLASLt adds the bias, or the parts of a sum, to what it has rounded already,
// as it does for sizes that no vector load fits.
double product_tolerance(DType dtype) {
  return 2 * unit(dtype) + kTolerance32;
}
// The gradient of the preactivation is rounded before it is summed; beside a start of the other
// sign a sum of one term may be half of that term.
double sums_tolerance(DType dtype) {
  return 2 * unit(dtype) + kToleranceSums;
}

struct Size {
  int64_t rows, in, out;
};
// Aligned ones as in models, and such that no vector load fits.
const Size kSizes[] = {{128, 64, 192}, {1, 16, 8}, {257, 96, 256}, {33, 17, 5}, {65, 130, 63}};

void check_layer(const Size& size, DType dtype, bool with_bias, Activation activation,
                 DType result) {
  CAPTURE(size.rows, size.in, size.out, name_of(dtype), with_bias, int(activation));
  Random random(static_cast<uint64_t>(size.rows * 1000 + size.out));
  const bool active = activation != Activation::kNone;
  const Shape in{size.rows, size.in}, out{size.rows, size.out};
  const Both x = random_both(random, in, dtype);
  const Both weight = random_both(random, {size.out, size.in}, dtype);
  const Both bias = random_both(random, {size.out}, dtype);
  const Tensor want_z = Tensor::zeros(out, DType::kF64), want_y = Tensor::zeros(out, DType::kF64);
  run(cpu::Backend{}, cpu_queue(),
      LinearForward{.x = x.exact,
                    .weight = weight.exact,
                    .bias = with_bias ? bias.exact.view() : View(),
                    .preactivation = active ? want_z.view() : View(),
                    .y = want_y,
                    .activation = activation});
  GuardedGpu z(out, result), y(out, result), again(out, result);
  for (const GuardedGpu* to : {&again, &y}) {
    run(cuda::Backend{}, gpu_queue(),
        LinearForward{.x = x.gpu,
                      .weight = weight.gpu,
                      .bias = with_bias ? bias.gpu.view() : View(),
                      .preactivation = active ? z.view() : View(),
                      .y = *to,
                      .activation = activation});
  }
  CHECK(relative_error(y.values(), elements<double>(want_y)) <= product_tolerance(dtype));
  if (active)
    CHECK(relative_error(z.values(), elements<double>(want_z)) <= product_tolerance(dtype));
  CHECK(y.bits() == again.bits());
  CHECK((y.intact() && z.intact()));
}

void check_gradients(const Size& size, DType dtype, bool with_bias, Activation activation) {
  CAPTURE(size.rows, size.in, size.out, name_of(dtype), with_bias, int(activation));
  Random random(static_cast<uint64_t>(size.rows * 1000 + size.out + 1));
  const bool active = activation != Activation::kNone;
  const Shape in{size.rows, size.in}, out{size.rows, size.out}, matrix{size.out, size.in};
  const Both x = random_both(random, in, dtype), weight = random_both(random, matrix, dtype);
  const Both z = random_both(random, out, dtype, -3, 3), dy = random_both(random, out, dtype);
  const Both dweight = random_both(random, matrix, DType::kF32);
  const Both dbias = random_both(random, {size.out}, DType::kF32);
  const Tensor start_dw = rounded(dweight.exact, DType::kF32);
  const Tensor start_db = rounded(dbias.exact, DType::kF32), start_dy = rounded(dy.exact, dtype);
  const Tensor want_dx = Tensor::zeros(in, DType::kF64);
  run(cpu::Backend{}, cpu_queue(),
      LinearBackward{.x = x.exact,
                     .weight = weight.exact,
                     .preactivation = active ? z.exact.view() : View(),
                     .dy = dy.exact,
                     .dx = want_dx,
                     .dweight = dweight.exact,
                     .dbias = with_bias ? dbias.exact.view() : View(),
                     .activation = activation});
  std::vector<std::vector<uint8_t>> bits;
  for (int twice = 0; twice < 2; ++twice) {
    GuardedGpu dx(in, dtype), dw(start_dw), db(start_db), dz(start_dy);
    run(cuda::Backend{}, gpu_queue(),
        LinearBackward{.x = x.gpu,
                       .weight = weight.gpu,
                       .preactivation = active ? z.gpu.view() : View(),
                       .dy = dz,
                       .dx = dx,
                       .dweight = dw,
                       .dbias = with_bias ? db.view() : View(),
                       .activation = activation});
    CHECK(relative_error(dx.values(), elements<double>(want_dx)) <= product_tolerance(dtype));
    CHECK(relative_error(dw.values(), elements<double>(dweight.exact)) <= sums_tolerance(dtype));
    CHECK(relative_error(db.values(), elements<double>(dbias.exact)) <= sums_tolerance(dtype));
    CHECK((dx.intact() && dw.intact() && db.intact() && dz.intact()));
    bits.push_back(dx.bits());
    bits.push_back(dw.bits());
  }
  CHECK(bits[0] == bits[2]);
  CHECK(bits[1] == bits[3]);
}

// Fewer and more rows than a warp takes at once (8), and widths of several rounds of its lanes.
// 32 and its multiples are made on tensor cores, in tiles of 16 rows, four of them at once.
const Size kFewRows[] = {{1, 16, 8},    {3, 17, 5},   {8, 96, 256},   {9, 520, 40},
                         {17, 333, 63}, {1, 512, 12}, {16, 2048, 40}, {67, 288, 24}};

void check_rows_alone(const Size& size, DType dtype, bool with_bias, Activation activation,
                      DType result) {
  CAPTURE(size.rows, size.in, size.out, name_of(dtype), with_bias, int(activation));
  Random random(static_cast<uint64_t>(size.rows * 1000 + size.out + 2));
  const Both x = random_both(random, {size.rows, size.in}, dtype);
  const Both weight = random_both(random, {size.out, size.in}, dtype);
  const Both bias = random_both(random, {size.out}, dtype);
  const Tensor want = Tensor::zeros({size.rows, size.out}, DType::kF64);
  run(cpu::Backend{}, cpu_queue(),
      LinearForward{.x = x.exact,
                    .weight = weight.exact,
                    .bias = with_bias ? bias.exact.view() : View(),
                    .y = want,
                    .activation = activation,
                    .rows_alone = true});
  const auto last = [&](int64_t rows) {
    GuardedGpu y({rows, size.out}, result);
    run(cuda::Backend{}, gpu_queue(),
        LinearForward{.x = x.gpu.view().slice(0, size.rows - rows, rows),
                      .weight = weight.gpu,
                      .bias = with_bias ? bias.gpu.view() : View(),
                      .y = y,
                      .activation = activation,
                      .rows_alone = true});
    CHECK(y.intact());
    return y;
  };
  const GuardedGpu all = last(size.rows);
  CHECK(relative_error(all.values(), elements<double>(want)) <= product_tolerance(dtype));
  const std::vector<uint8_t> bits = all.bits();
  for (const int64_t rows : {1, 7, 9}) {
    if (rows > size.rows) continue;
    const std::vector<uint8_t> few = last(rows).bits();
    CHECK(same_bits(few, {bits.end() - static_cast<int64_t>(few.size()), bits.end()}));
  }
}

}  // namespace

TEST_CASE("The affine layer on the GPU gives what the specification gives", "[linear]") {
  for (const DType dtype : {DType::kF32, DType::kBF16, DType::kF16}) {
    for (const Size& size : kSizes) {
      for (const bool bias : {true, false}) {
        check_layer(size, dtype, bias, Activation::kNone, dtype);
        check_layer(size, dtype, bias, Activation::kQuickGelu, dtype);
      }
      check_layer(size, dtype, false, Activation::kNone, DType::kF32);  // the head
    }
  }
}

TEST_CASE("The gradients of the affine layer on the GPU are those of the specification",
          "[linear]") {
  for (const DType dtype : {DType::kF32, DType::kBF16, DType::kF16}) {
    for (const Size& size : kSizes) {
      for (const bool bias : {true, false}) {
        check_gradients(size, dtype, bias, Activation::kNone);
        check_gradients(size, dtype, bias, Activation::kQuickGelu);
      }
    }
  }
}

TEST_CASE("A row alone on the GPU is the affine layer, and its bits depend on no other row",
          "[linear]") {
  for (const DType dtype : {DType::kF32, DType::kBF16, DType::kF16}) {
    for (const Size& size : kFewRows) {
      for (const bool bias : {true, false}) {
        check_rows_alone(size, dtype, bias, Activation::kNone, dtype);
        check_rows_alone(size, dtype, bias, Activation::kQuickGelu, dtype);
      }
      check_rows_alone(size, dtype, false, Activation::kNone, DType::kF32);  // the head
    }
  }
}
