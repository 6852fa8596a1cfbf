// Matrix products of row-major matrices: f32 by oneDNN, f64 by plain loops (the specification).
#pragma once

#include <cstdint>

namespace lacuna::cpu {

enum class Transpose : uint8_t { kNo, kYes };

template <class T>
struct Matrix {
  const T* data;
  int64_t row_stride;
  Transpose transpose = Transpose::kNo;  // kYes: the operand is the transpose of what is stored
};

/// c = alpha * a b + beta * c; a: [m, k], b: [k, n] after transposition, c: [m, n]. beta 0 does not
/// read c. Uses `threads` threads; 1 inside a parallel region.
void gemm(int threads, int64_t m, int64_t n, int64_t k, float alpha, Matrix<float> a,
          Matrix<float> b, float beta, float* c, int64_t c_stride);
void gemm(int threads, int64_t m, int64_t n, int64_t k, double alpha, Matrix<double> a,
          Matrix<double> b, double beta, double* c, int64_t c_stride);

}  // namespace lacuna::cpu
