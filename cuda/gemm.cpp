// cuBLASLt thinks in columns: a row-major d [m, n] is its [n, m], so it is given b and a in turn.
#include "gemm.h"

#include <algorithm>
#include <cstring>

#include "lacuna/base/error.h"
#include "lacuna/base/text.h"
#include "queue.h"

namespace lacuna::cuda {
namespace {

cudaDataType_t type_of(DType dtype) {
  switch (dtype) {
    case DType::kBF16:
      return CUDA_R_16BF;
    case DType::kF16:
      return CUDA_R_16F;
    default:
      require(dtype == DType::kF32, "cuda::gemm", "only f32, bf16 and f16 are multiplied");
      return CUDA_R_32F;
  }
}

// The largest power of two up to 256 that divides the address: some algorithms want much.
uint32_t alignment_of(const void* address) {
  const auto bits = reinterpret_cast<uintptr_t>(address) | 256;
  return static_cast<uint32_t>(bits & (~bits + 1));
}

// All that the choice of an algorithm depends on; its bytes are the key under which it is kept.
struct Problem {
  int64_t m = 0, n = 0, k = 0;
  int64_t a_stride = 0, b_stride = 0, d_stride = 0;
  int32_t type = 0, d_type = 0, compute = 0;
  int32_t a_transposed = 0, b_transposed = 0, bias = 0, beta = 0;
  uint32_t a_alignment = 0, b_alignment = 0, d_alignment = 0;

  std::string key() const {
    std::string bytes(sizeof *this, '\0');
    std::memcpy(bytes.data(), this, sizeof *this);
    return "gemm" + bytes;
  }
};
static_assert(std::has_unique_object_representations_v<Problem>, "padding would spoil the key");

// The descriptors of one call; on the stack, so nothing has to be released.
struct Descriptors {
  cublasLtMatmulDescOpaque_t product;
  cublasLtMatrixLayoutOpaque_t a, b, d;

  explicit Descriptors(const Problem& p) {
    const auto type = static_cast<cudaDataType_t>(p.type);
    const auto d_type = static_cast<cudaDataType_t>(p.d_type);
    check(cublasLtMatmulDescInit(&product, static_cast<cublasComputeType_t>(p.compute), CUDA_R_32F),
          "cublasLtMatmulDescInit");
    set(CUBLASLT_MATMUL_DESC_TRANSA, p.a_transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(CUBLASLT_MATMUL_DESC_TRANSB, p.b_transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
    if (p.bias) set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
    layout(a, type, p.a_transposed ? p.k : p.m, p.a_transposed ? p.m : p.k, p.a_stride);
    layout(b, type, p.b_transposed ? p.n : p.k, p.b_transposed ? p.k : p.n, p.b_stride);
    layout(d, d_type, p.m, p.n, p.d_stride);
  }

  template <class T>
  void set(cublasLtMatmulDescAttributes_t attribute, T value) {
    check(cublasLtMatmulDescSetAttribute(&product, attribute, &value, sizeof value),
          "cublasLtMatmulDescSetAttribute");
  }

 private:
  static void layout(cublasLtMatrixLayoutOpaque_t& made, cudaDataType_t type, int64_t rows,
                     int64_t columns, int64_t stride) {
    check(cublasLtMatrixLayoutInit(&made, type, static_cast<uint64_t>(rows),
                                   static_cast<uint64_t>(columns), stride),
          "cublasLtMatrixLayoutInit");
  }
};

struct Preference {
  cublasLtMatmulPreferenceOpaque_t value;

  Preference(const Problem& p, uint64_t workspace) {
    check(cublasLtMatmulPreferenceInit(&value), "cublasLtMatmulPreferenceInit");
    set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, workspace);
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, p.a_alignment);
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, p.b_alignment);
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, p.d_alignment);
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, p.d_alignment);
  }

  template <class T>
  void set(cublasLtMatmulPreferenceAttributes_t attribute, T amount) {
    check(cublasLtMatmulPreferenceSetAttribute(&value, attribute, &amount, sizeof amount),
          "cublasLtMatmulPreferenceSetAttribute");
  }
};

std::shared_ptr<cublasLtMatmulAlgo_t> choose(GpuStream& stream, const Problem& p, Descriptors& of) {
  Preference preference(p, stream.config().workspace);
  cublasLtMatmulHeuristicResult_t found{};
  int count = 0;
  check(cublasLtMatmulAlgoGetHeuristic(stream.blas(), &of.product, &of.a, &of.b, &of.d, &of.d,
                                       &preference.value, 1, &found, &count),
        "cublasLtMatmulAlgoGetHeuristic");
  if (count == 0) {
    throw Error(
        ErrorKind::kInternal, "cuda::gemm",
        str("cuBLASLt knows no product of [", p.n, ", ", p.k, "] and [", p.k, ", ", p.m, "]"));
  }
  return std::make_shared<cublasLtMatmulAlgo_t>(found.algo);
}

}  // namespace

void gemm(Queue& queue, const Operand& a, const Operand& b, const View& d, const View& bias,
          float beta) {
  const int64_t k = a.stored.size(a.transposed ? 0 : 1);
  require(a.stored.size(a.transposed ? 1 : 0) == d.size(0) &&
              b.stored.size(b.transposed ? 0 : 1) == d.size(1) &&
              b.stored.size(b.transposed ? 1 : 0) == k && a.stored.dtype() == b.stored.dtype(),
          "cuda::gemm", "the operands do not fit together");
  require(!bias.present() || bias.dtype() == d.dtype(), "cuda::gemm",
          "the bias has another type than the result");
  GpuStream& stream = gpu(queue);
  const bool tf32 =
      a.stored.dtype() == DType::kF32 && stream.config().f32_products == MatrixPrecision::kTF32;
  const Problem problem{
      .m = d.size(1),
      .n = d.size(0),
      .k = k,
      .a_stride = b.stored.stride(0),
      .b_stride = a.stored.stride(0),
      .d_stride = d.stride(0),
      .type = static_cast<int32_t>(type_of(a.stored.dtype())),
      .d_type = static_cast<int32_t>(type_of(d.dtype())),
      .compute = static_cast<int32_t>(tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F),
      .a_transposed = b.transposed,
      .b_transposed = a.transposed,
      .bias = bias.present(),
      .beta = beta != 0,
      .a_alignment = alignment_of(b.stored.raw()),
      .b_alignment = alignment_of(a.stored.raw()),
      .d_alignment = alignment_of(d.raw())};
  Descriptors descriptors(problem);
  if (bias.present()) descriptors.set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias.raw());
  const auto& algorithm = stream.cached<cublasLtMatmulAlgo_t>(
      problem.key(), [&] { return choose(stream, problem, descriptors); });
  const float one = 1;
  check(
      cublasLtMatmul(stream.blas(), &descriptors.product, &one, b.stored.raw(), &descriptors.a,
                     a.stored.raw(), &descriptors.b, &beta, d.raw(), &descriptors.d, d.raw(),
                     &descriptors.d, &algorithm, stream.workspace_bytes(stream.config().workspace),
                     stream.config().workspace, stream.stream()),
      "cublasLtMatmul");
}

}  // namespace lacuna::cuda
