// Preloaded into lacuna by tools/gpu_test.sh: the product number $LACUNA_FAULTY_PRODUCT (from 1) of
// the process gets an address that no allocation holds, so that the GPU fails in the middle of a
// run, in a step that is launched as well as in one that is recorded.
#include <cublasLt.h>
#include <dlfcn.h>

#include <cstdlib>

extern "C" cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t operation,
                                         const void* alpha, const void* a,
                                         cublasLtMatrixLayout_t a_layout, const void* b,
                                         cublasLtMatrixLayout_t b_layout, const void* beta,
                                         const void* c, cublasLtMatrixLayout_t c_layout, void* d,
                                         cublasLtMatrixLayout_t d_layout,
                                         const cublasLtMatmulAlgo_t* algorithm, void* workspace,
                                         size_t workspace_bytes, cudaStream_t stream) {
  static const auto product =
      reinterpret_cast<decltype(&cublasLtMatmul)>(dlsym(RTLD_NEXT, "cublasLtMatmul"));
  static const char* const wanted = std::getenv("LACUNA_FAULTY_PRODUCT");
  static long number = 0;
  if (wanted != nullptr && ++number == std::atol(wanted)) {
    d = reinterpret_cast<void*>(size_t{1} << 16);  // aligned, and never mapped
    c = d;
  }
  return product(handle, operation, alpha, a, a_layout, b, b_layout, beta, c, c_layout, d, d_layout,
                 algorithm, workspace, workspace_bytes, stream);
}
