// How far the layer kernels of the GPU may be from the CPU in f64 on the same inputs, as
// relative_error() measures it (of the largest element).
#pragma once

#include "lacuna/tensor/dtype.h"

namespace parity {

/// Half a unit in the last place: the relative error of one rounding.
inline double unit(lacuna::DType dtype) {
  switch (dtype) {
    case lacuna::DType::kBF16:
      return 0x1p-8;
    case lacuna::DType::kF16:
      return 0x1p-11;
    default:
      return 0x1p-24;
  }
}

/// What is computed and kept in f32: statistics, sums over rows, moments. Up to a few hundred
/// operations, in sums that are taken apart into lanes and blocks, err mostly at random: the same
/// 60 units that the CPU's norm in f32 is held to (tests/kernels/tolerances.h).
inline constexpr double kTolerance32 = 60 * 0x1p-24;

/// Sums in f32 over thousands of rows of either sign, whose result is not much larger than its
/// terms.
inline constexpr double kToleranceSums = 200 * 0x1p-24;

/// What is computed in f32 and rounded once to `dtype`.
inline double stored_tolerance(lacuna::DType dtype) {
  return unit(dtype) + kTolerance32;
}

/// Losses, absolute: the logarithm, up to 11, of a sum of up to 65536 terms of one sign, within 3
/// units; the difference of logits is in f64.
inline constexpr double kToleranceLoss = 40 * 0x1p-24;

/// Sums in f64 in another order.
inline constexpr double kTolerance64 = 1e-13;

}  // namespace parity
