#include "gemm.h"

#include <dnnl.h>
#include <omp.h>

#include "lacuna/base/error.h"

namespace lacuna::cpu {

void gemm(int threads, int64_t m, int64_t n, int64_t k, float alpha, Matrix<float> a,
          Matrix<float> b, float beta, float* c, int64_t c_stride) {
  // oneDNN takes the calling thread's settings, and its result is wrong unless it gets as many
  // threads as it counts on.
  omp_set_dynamic(0);
  omp_set_num_threads(threads);
  const auto letter = [](Transpose t) { return t == Transpose::kYes ? 'T' : 'N'; };
  const dnnl_status_t status =
      dnnl_sgemm(letter(a.transpose), letter(b.transpose), m, n, k, alpha, a.data, a.row_stride,
                 b.data, b.row_stride, beta, c, c_stride);
  require(status == dnnl_success, "dnnl_sgemm", "oneDNN refused a matrix product");
}

void gemm(int threads, int64_t m, int64_t n, int64_t k, double alpha, Matrix<double> a,
          Matrix<double> b, double beta, double* c, int64_t c_stride) {
  const bool a_transposed = a.transpose == Transpose::kYes,
             b_transposed = b.transpose == Transpose::kYes;
  const int64_t a_row = a_transposed ? 1 : a.row_stride, a_column = a_transposed ? a.row_stride : 1;
  const int64_t b_row = b_transposed ? 1 : b.row_stride, b_column = b_transposed ? b.row_stride : 1;
#pragma omp parallel for num_threads(threads) if (threads > 1)
  for (int64_t i = 0; i < m; ++i) {
    double* row = c + i * c_stride;
    for (int64_t j = 0; j < n; ++j) row[j] = beta == 0 ? 0 : beta * row[j];
    for (int64_t p = 0; p < k; ++p) {
      const double scaled = alpha * a.data[i * a_row + p * a_column];
      const double* other = b.data + p * b_row;
      for (int64_t j = 0; j < n; ++j) row[j] += scaled * other[j * b_column];
    }
  }
}

}  // namespace lacuna::cpu
