// The arithmetic of one layer-normalised row, shared by the plain norm and the residual seam.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "parallel.h"

namespace lacuna::cpu {

inline constexpr int64_t kNormChunkRows = 64;

/// y = (x - mean) * rstd * gain + bias for one row of `width` elements.
template <class T>
void norm_row(const T* x, const T* gain, const T* bias, double eps, int64_t width, T* y, T* mean,
              T* rstd) {
  T sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t j = 0; j < width; ++j) sum += x[j];
  const T mu = sum / T(width);
  T squares = 0;
#pragma omp simd reduction(+ : squares)
  for (int64_t j = 0; j < width; ++j) squares += (x[j] - mu) * (x[j] - mu);
  const T inverse = T(1) / std::sqrt(squares / T(width) + T(eps));
  for (int64_t j = 0; j < width; ++j) y[j] = (x[j] - mu) * inverse * gain[j] + bias[j];
  *mean = mu;
  *rstd = inverse;
}

/// dx = rstd * (g - mean(g) - xhat * mean(g * xhat)) with g = dy * gain, xhat = (x - mean) * rstd;
/// adds dy * xhat to dgain and dy to dbias.
template <class T>
void norm_row_backward(const T* x, const T* gain, T mean, T rstd, const T* dy, int64_t width, T* dx,
                       T* dgain, T* dbias) {
  T sum = 0, dot = 0;
#pragma omp simd reduction(+ : sum, dot)
  for (int64_t j = 0; j < width; ++j) {
    const T g = dy[j] * gain[j];
    sum += g;
    dot += g * (x[j] - mean) * rstd;
  }
  sum /= T(width);
  dot /= T(width);
  for (int64_t j = 0; j < width; ++j) {
    const T normal = (x[j] - mean) * rstd;
    dgain[j] += dy[j] * normal;
    dbias[j] += dy[j];
    dx[j] = rstd * (dy[j] * gain[j] - sum - normal * dot);
  }
}

/// Runs body(row, dgain, dbias) for all rows; each chunk of rows has sums of its own, which are
/// added to dgain and dbias in the order of the chunks.
template <class T, class Body>
void norm_rows_backward(const Queue& queue, int64_t rows, int64_t width, T* dgain, T* dbias,
                        const Body& body) {
  const int64_t chunks = (rows + kNormChunkRows - 1) / kNormChunkRows;
  std::vector<T> partial(static_cast<size_t>(2 * chunks * width));
  parallel_chunks(queue, rows, kNormChunkRows, [&](int64_t chunk, int64_t begin, int64_t end) {
    T* sums = partial.data() + 2 * chunk * width;
    for (int64_t row = begin; row < end; ++row) body(row, sums, sums + width);
  });
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    const T* sums = partial.data() + 2 * chunk * width;
    for (int64_t j = 0; j < width; ++j) {
      dgain[j] += sums[j];
      dbias[j] += sums[width + j];
    }
  }
}

}  // namespace lacuna::cpu
