// How far results are from what is wanted.
#pragma once

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

/// max |got - want| / max |want| over one tensor (the largest element is the scale, because sums
/// that cancel make small elements as uncertain as large ones). Equal infinities agree; NaN, an
/// infinity on one side only, or different sizes give infinity.
template <class A, class B>
double relative_error(const std::vector<A>& got, const std::vector<B>& want) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
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
  return worst == 0 ? 0 : worst / std::fmax(scale, std::numeric_limits<double>::min());
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}
