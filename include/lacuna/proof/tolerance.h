// How far results of a kernel may be from those of the same contract on the CPU in f64, on the same
// inputs: the one table.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "lacuna/tensor/dtype.h"

namespace lacuna::proof {

inline constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// max |got - want| over the scale of the tensor: its largest |want|, because sums that cancel make
/// small elements as uncertain as large ones, but no less than `least` and no more than `most`.
/// Equal infinities agree; NaN, an infinity on one side only, or different sizes give infinity.
template <class A, class B>
double relative_error(const std::vector<A>& got, const std::vector<B>& want, double least = 0,
                      double most = kInfinity) {
  if (got.size() != want.size()) return kInfinity;
  double worst = 0, scale = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    const auto a = static_cast<double>(got[i]), b = static_cast<double>(want[i]);
    if (a == b && std::isinf(a)) continue;
    const double difference = std::fabs(a - b);
    if (!(difference < kInfinity)) return kInfinity;
    worst = std::fmax(worst, difference);
    scale = std::fmax(scale, std::fabs(b));
  }
  const double smallest = std::fmax(least, std::numeric_limits<double>::min());
  return worst == 0 ? 0 : worst / std::clamp(scale, smallest, std::fmax(most, smallest));
}

/// Half a unit in the last place: the relative error of one rounding.
constexpr double unit(DType dtype) {
  if (dtype == DType::kF64) return 0x1p-53;
  return dtype == DType::kBF16 ? 0x1p-8 : dtype == DType::kF16 ? 0x1p-11 : 0x1p-24;
}

struct Tolerance {
  double roundings = 0;                // to the type of activations
  double more = 0;                     // whatever that type is: what f32 or f64 err by
  double least = 0, most = kInfinity;  // of the scale that errors are held against

  double limit(DType activations) const { return roundings * unit(activations) + more; }
  constexpr Tolerance at_least(double scale) const { return {roundings, more, scale, most}; }
};

inline constexpr double kUnit32 = unit(DType::kF32);

/// Copies.
inline constexpr Tolerance kExact{};
/// What is rounded once, and nothing else.
inline constexpr Tolerance kRoundedOnce{.roundings = 1};
/// One sum of two numbers in f32; the sum may be rounded on both sides.
inline constexpr Tolerance kAdded{.more = 2 * kUnit32};
/// What is computed and kept in f32: statistics, moments. Up to a few hundred operations, in sums
/// that are taken apart into lanes and blocks, err mostly at random: the same 60 units that the
/// CPU's norm in f32 is held to (tests/kernels/tolerances.h).
inline constexpr Tolerance kStatistics{.more = 60 * kUnit32};
/// What is computed like that and rounded once.
inline constexpr Tolerance kStored{.roundings = 1, .more = 60 * kUnit32};
/// What is rounded to bf16 at random. Where the sides differ in the last digits before that, they
/// may go to neighbours.
inline constexpr Tolerance kRoundedAtRandom{.more = 2 * unit(DType::kBF16)};
/// Sums in f32 over thousands of rows of either sign, whose result is not much larger than its
/// terms.
inline constexpr Tolerance kSums{.more = 200 * kUnit32};
/// Sums of up to 2,048 products in f32, of lanes or tiles and then of these
/// (tests/kernels/tolerances.h allows 40 units for 257 one after the other), rounded once, and a
/// second time where cuBLASLt adds the bias, or the parts of a sum, to what it has rounded already,
/// as it does for sizes that no vector load fits.
inline constexpr Tolerance kProducts{.roundings = 2, .more = 60 * kUnit32};
/// Sums of products over rows. The gradient of the preactivation is rounded before it is summed;
/// beside a start of the other sign a sum of one term may be half of that term.
inline constexpr Tolerance kProductSums{.roundings = 2, .more = 200 * kUnit32};
/// Losses, absolute: the logarithm, up to 11, of a sum of up to 65536 terms of one sign, within 3
/// units; the difference of logits is in f64.
inline constexpr Tolerance kLosses{.more = 40 * kUnit32, .least = 1, .most = 1};
/// Sums in f64 in another order.
inline constexpr Tolerance kSums64{.more = 1e-13};

/// Softmax in f32: logits of about 10 to 2^-23, exponentials to 2^-22, sums of up to 1000 terms.
inline constexpr double kSoftmax = 160 * kUnit32;
inline constexpr Tolerance kLogSums{.more = kSoftmax};
/// Only the result is rounded, once.
inline constexpr Tolerance kDecoded{.roundings = 1, .more = kSoftmax};
/// Weights are rounded for the second product (mostly averaging out), and y once per stage, of
/// which there are at most two: two roundings in all, softmax's error included.
inline constexpr Tolerance kAttended{.roundings = 1.98, .more = kSoftmax};
/// The same with the weights' slopes rounded too, delta from a rounded y, and gradients that are
/// rounded once per stage and added to: four. Held against no less than 0.2, the size of the terms
/// that gradients are sums of: where a query has one key, dq and dk are differences that are zero
/// in f64.
inline constexpr Tolerance kAttentionGradients{.roundings = 3.98, .more = kSoftmax, .least = 0.2};

}  // namespace lacuna::proof
