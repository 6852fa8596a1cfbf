// The affine layer, and what it does on a GPU besides its products.
#include "lacuna/kernels/linear.h"

#include <cmath>

#include "entry.h"
#include "lacuna/kernels/activation.h"

namespace lacuna::proof {
namespace {

Shape sizes_of(const LinearSize& size) {
  return {size.rows, size.in, size.out};
}

double sigmoid(double x) {
  return 1 / (1 + std::exp(-x));
}

// The GPU has functions, not contracts, for the gradients; elsewhere the formula.
template <class OnGpu, class Formula>
Launch launching_either(const Operands& o, [[maybe_unused]] const OnGpu& on_gpu,
                        const Formula& formula) {
  if constexpr (kWithCuda) {
    if (o.queue().on_gpu()) return [queue = o.queue(), on_gpu] { on_gpu(queue); };
  }
  return formula;
}

void add_to_columns(const View& sums, const View& values) {
  const int64_t width = sums.count();
  for (int64_t i = 0; i < values.count(); ++i) {
    sums.data<double>()[i % width] += values.data<double>()[i];
  }
}

std::string variant_of(const LinearSize& size) {
  return str(size.activation == Activation::kNone ? "" : ", quick_gelu",
             size.bias ? "" : ", no bias", size.rows_alone ? ", rows alone" : "",
             size.wide_result ? ", wide result" : "");
}

}  // namespace

Entry linear_forward(const LinearSize& size) {
  return entry(
      sizes_of(size),
      [size](Operands& o) {
        const Shape out{size.rows, size.out};
        const bool keeps_z = size.activation != Activation::kNone && !size.rows_alone;
        const Holds result = size.wide_result ? Holds::kWide : Holds::kActivations;
        return LinearForward{
            .x = o.input("x", {size.rows, size.in}),
            .weight = o.input("weight", {size.out, size.in}),
            .bias = size.bias ? o.input("bias", {size.out}) : View(),
            .preactivation = keeps_z ? o.output("z", out, kProducts) : View(),
            .y = o.output(size.rows_alone ? "rows alone" : "y", out, kProducts, result),
            .activation = size.activation,
            .rows_alone = size.rows_alone};
      },
      variant_of(size));
}

Entry linear_backward(const LinearSize& size) {
  return entry(
      sizes_of(size),
      [size](Operands& o) {
        const Shape in{size.rows, size.in}, out{size.rows, size.out};
        const bool active = size.activation != Activation::kNone;
        return LinearBackward{
            .x = o.input("x", in),
            .weight = o.input("weight", {size.out, size.in}),
            .preactivation = active ? o.input("z", out, {-3, 3}) : View(),
            .dy = active ? o.updated("dz", out, kStored, Holds::kActivations) : o.input("dy", out),
            .dx = o.output("dx", in, kProducts),
            .dweight = o.updated("dweight", {size.out, size.in}, kProductSums),
            .dbias = size.bias ? o.updated("dbias", {size.out}, kProductSums) : View(),
            .activation = size.activation};
      },
      variant_of(size));
}

Entry activate(const ActivationSize& size) {
  return entry(
      {size.rows, size.width},
      [size](Operands& o) {
        const Shape shape{size.rows, size.width};
        // Results of the order of 1: those below the normal numbers of f16 have fewer digits.
        const Tolerance tolerance = kStored.at_least(1);
        const Range values{-12, 12};
        const View z = size.in_place ? o.updated("y", shape, tolerance, Holds::kActivations, values)
                                     : o.input("z", shape, values);
        return Activate{.preactivation = z,
                        .y = size.in_place ? z : o.output("y", shape, tolerance),
                        .activation = Activation::kQuickGelu};
      },
      size.in_place ? ", in place" : "");
}

Entry activation_backward(const ActivationSize& size) {
  const auto make = [size](Operands& o) {
    const Shape shape{size.rows, size.width};
    const View z = o.input("z", shape, {-4, 4});
    const View dy = o.updated("dz", shape, kStored, Holds::kActivations);
    const View dbias = size.bias ? o.updated("dbias", {size.width}, kSums) : View();
    return launching_either(
        o, [=](const Queue& queue) { cuda::quick_gelu_backward(queue, z, dy, dbias); },
        [=] {
          for (int64_t i = 0; i < z.count(); ++i) {
            const double value = 1.702 * z.data<double>()[i];
            dy.data<double>()[i] *= sigmoid(value) * (1 + value * (1 - sigmoid(value)));
          }
          if (dbias.present()) add_to_columns(dbias, dy);
        });
  };
  return {.name = str("activation's gradient ", Shape{size.rows, size.width}.text(),
                      size.bias ? "" : ", no bias"),
          .make = make};
}

Entry column_sums(int64_t rows, int64_t width) {
  const auto make = [=](Operands& o) {
    const View dz = o.input("dz", {rows, width});
    const View dbias = o.updated("dbias", {width}, kSums);
    return launching_either(
        o, [=](const Queue& queue) { cuda::add_column_sums(queue, dz, dbias); },
        [=] { add_to_columns(dbias, dz); });
  };
  return {.name = str("column sums ", Shape{rows, width}.text()), .make = make};
}

}  // namespace lacuna::proof
