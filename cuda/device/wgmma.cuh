// The matrix product of a warpgroup (sm_90a), one function an instruction: sums [64, kN] += left
// [64, 16] * right [16, kN], 16-bit operands, f32 sums. All 128 threads take part.
//
// Sums lie in registers, the left operand there or in shared memory, the right one there. Warp w of
// the four has rows 16 w to 16 w + 15, as the fragments of mma.cuh: sums[n][0..1] in row r = l / 4
// of lane l, columns 8 n + c and 8 n + c + 1 with c = 2 (l mod 4), sums[n][2..3] in row r + 8. Two
// neighbouring results, rounded and packed, are a left operand as they are.
//
// Products run on their own: between begin_products() and finish_products() their registers and
// their tiles are not to be touched. keep() makes the compiler respect it.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>
#include <type_traits>

namespace lacuna::cuda::device {

/// How the rows of a tile in shared memory are swizzled: what the copy engine calls 128B and 64B.
/// The 16-byte chunks of 8 rows are permuted; a pattern starts at a multiple of 8 rows' bytes.
enum class Swizzle : uint32_t { k128 = 1, k64 = 2 };

/// An operand in shared memory (matrix descriptor). `group_bytes`: from 8 rows to the next 8;
/// `panel_bytes`: from one panel of a row's swizzled bytes to the next, where columns take several.
template <Swizzle kSwizzle>
__device__ constexpr uint64_t matrix_descriptor(uint32_t address, uint32_t group_bytes,
                                                uint32_t panel_bytes) {
  return static_cast<uint64_t>((address & 0x3FFFF) >> 4) |
         static_cast<uint64_t>(panel_bytes >> 4) << 16 |
         static_cast<uint64_t>(group_bytes >> 4) << 32 |
         static_cast<uint64_t>(static_cast<uint32_t>(kSwizzle)) << 62;
}

/// Before the first product, and again after registers of products have been written otherwise.
__device__ inline void begin_products() {
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}
/// Closes a group of products.
__device__ inline void commit_products() {
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}
/// Until no more than kLeft groups of this thread's are under way.
template <int kLeft>
__device__ inline void finish_products() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kLeft) : "memory");
}
/// Where the compiler must have the values in their registers.
template <int kCount>
__device__ inline void keep(float (&sums)[kCount][4]) {
#pragma unroll
  for (int n = 0; n < kCount; ++n) {
#pragma unroll
    for (int e = 0; e < 4; ++e) asm volatile("" : "+f"(sums[n][e])::"memory");
  }
}

#define LACUNA_PRODUCT_32(type)                                             \
  "{\n"                                                                     \
  ".reg .pred add;\n"                                                       \
  "setp.ne.b32 add, %21, 0;\n"                                              \
  "wgmma.mma_async.sync.aligned.m64n32k16.f32." type "." type               \
  " {"                                                                      \
  "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15}, " \
  "{%16, %17, %18, %19}, %20, add, 1, 1, %22;\n"                            \
  "}"

#define LACUNA_PRODUCT_64(type)                                                       \
  "{\n"                                                                               \
  ".reg .pred add;\n"                                                                 \
  "setp.ne.b32 add, %37, 0;\n"                                                        \
  "wgmma.mma_async.sync.aligned.m64n64k16.f32." type "." type                         \
  " {"                                                                                \
  "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "            \
  "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}, " \
  "{%32, %33, %34, %35}, %36, add, 1, 1, %38;\n"                                      \
  "}"

#define LACUNA_PRODUCT_128(type)                                                      \
  "{\n"                                                                               \
  ".reg .pred add;\n"                                                                 \
  "setp.ne.b32 add, %69, 0;\n"                                                        \
  "wgmma.mma_async.sync.aligned.m64n128k16.f32." type "." type                        \
  " {"                                                                                \
  "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "            \
  "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "  \
  "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "  \
  "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, " \
  "{%64, %65, %66, %67}, %68, add, 1, 1, %70;\n"                                      \
  "}"

#define LACUNA_SUMS(how, n) how(sums[n][0]), how(sums[n][1]), how(sums[n][2]), how(sums[n][3])
#define LACUNA_SUMS_4(how, n) \
  LACUNA_SUMS(how, n), LACUNA_SUMS(how, n + 1), LACUNA_SUMS(how, n + 2), LACUNA_SUMS(how, n + 3)
#define LACUNA_SUMS_8(how, n) LACUNA_SUMS_4(how, n), LACUNA_SUMS_4(how, n + 4)
#define LACUNA_MULTIPLY(product, sums_of)                                                    \
  asm volatile(product                                                                       \
               : sums_of("+f")                                                               \
               : "r"(left[0]), "r"(left[1]), "r"(left[2]), "r"(left[3]), "l"(right), "n"(1), \
                 "n"(1));
#define LACUNA_ALL_32(how) LACUNA_SUMS_4(how, 0)
#define LACUNA_ALL_64(how) LACUNA_SUMS_8(how, 0)
#define LACUNA_ALL_128(how) LACUNA_SUMS_8(how, 0), LACUNA_SUMS_8(how, 8)

/// sums += left * right. The right operand is the descriptor of a tile whose 16 rows the product
/// sums over (v of p v).
template <class T, int kCount>
__device__ inline void multiply(float (&sums)[kCount][4], const uint32_t (&left)[4],
                                uint64_t right) {
  constexpr bool kBf16 = std::is_same_v<T, __nv_bfloat16>;
  static_assert(kCount == 4 || kCount == 8 || kCount == 16);
  if constexpr (kCount == 4 && kBf16) {
    LACUNA_MULTIPLY(LACUNA_PRODUCT_32("bf16"), LACUNA_ALL_32)
  } else if constexpr (kCount == 4) {
    LACUNA_MULTIPLY(LACUNA_PRODUCT_32("f16"), LACUNA_ALL_32)
  } else if constexpr (kCount == 8 && kBf16) {
    LACUNA_MULTIPLY(LACUNA_PRODUCT_64("bf16"), LACUNA_ALL_64)
  } else if constexpr (kCount == 8) {
    LACUNA_MULTIPLY(LACUNA_PRODUCT_64("f16"), LACUNA_ALL_64)
  } else if constexpr (kBf16) {
    LACUNA_MULTIPLY(LACUNA_PRODUCT_128("bf16"), LACUNA_ALL_128)
  } else {
    LACUNA_MULTIPLY(LACUNA_PRODUCT_128("f16"), LACUNA_ALL_128)
  }
}

// Both operands in shared memory.
#define LACUNA_SHARED_PRODUCT_32(type)                                      \
  "{\n"                                                                     \
  ".reg .pred add;\n"                                                       \
  "setp.ne.b32 add, %18, 0;\n"                                              \
  "wgmma.mma_async.sync.aligned.m64n32k16.f32." type "." type               \
  " {"                                                                      \
  "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15}, " \
  "%16, %17, add, 1, 1, %19, %19;\n"                                        \
  "}"

#define LACUNA_SHARED_PRODUCT_64(type)                                                \
  "{\n"                                                                               \
  ".reg .pred add;\n"                                                                 \
  "setp.ne.b32 add, %34, 0;\n"                                                        \
  "wgmma.mma_async.sync.aligned.m64n64k16.f32." type "." type                         \
  " {"                                                                                \
  "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "            \
  "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}, " \
  "%32, %33, add, 1, 1, %35, %35;\n"                                                  \
  "}"

#define LACUNA_SHARED_PRODUCT_128(type)                                               \
  "{\n"                                                                               \
  ".reg .pred add;\n"                                                                 \
  "setp.ne.b32 add, %66, 0;\n"                                                        \
  "wgmma.mma_async.sync.aligned.m64n128k16.f32." type "." type                        \
  " {"                                                                                \
  "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "            \
  "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "  \
  "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "  \
  "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, " \
  "%64, %65, add, 1, 1, %67, %67;\n"                                                  \
  "}"

// The sums of a product that begins them are not read: they need not have been set.
#define LACUNA_MULTIPLY_SHARED(product, sums_of)                             \
  if constexpr (kAdd) {                                                      \
    asm volatile(product                                                     \
                 : sums_of("+f")                                             \
                 : "l"(left), "l"(right), "n"(1), "n"(kTransposed ? 1 : 0)); \
  } else {                                                                   \
    asm volatile(product                                                     \
                 : sums_of("=f")                                             \
                 : "l"(left), "l"(right), "n"(0), "n"(kTransposed ? 1 : 0)); \
  }

/// sums = left * right, or += with kAdd, both in shared memory: the descriptors of tiles whose rows
/// are the product's rows and columns (q and k of q k^T), or with kTransposed what both sum over.
template <class T, bool kTransposed, bool kAdd, int kCount>
__device__ inline void multiply_shared(float (&sums)[kCount][4], uint64_t left, uint64_t right) {
  constexpr bool kBf16 = std::is_same_v<T, __nv_bfloat16>;
  static_assert(kCount == 4 || kCount == 8 || kCount == 16);
  if constexpr (kCount == 4 && kBf16) {
    LACUNA_MULTIPLY_SHARED(LACUNA_SHARED_PRODUCT_32("bf16"), LACUNA_ALL_32)
  } else if constexpr (kCount == 4) {
    LACUNA_MULTIPLY_SHARED(LACUNA_SHARED_PRODUCT_32("f16"), LACUNA_ALL_32)
  } else if constexpr (kCount == 8 && kBf16) {
    LACUNA_MULTIPLY_SHARED(LACUNA_SHARED_PRODUCT_64("bf16"), LACUNA_ALL_64)
  } else if constexpr (kCount == 8) {
    LACUNA_MULTIPLY_SHARED(LACUNA_SHARED_PRODUCT_64("f16"), LACUNA_ALL_64)
  } else if constexpr (kBf16) {
    LACUNA_MULTIPLY_SHARED(LACUNA_SHARED_PRODUCT_128("bf16"), LACUNA_ALL_128)
  } else {
    LACUNA_MULTIPLY_SHARED(LACUNA_SHARED_PRODUCT_128("f16"), LACUNA_ALL_128)
  }
}

#undef LACUNA_PRODUCT_32
#undef LACUNA_PRODUCT_64
#undef LACUNA_PRODUCT_128
#undef LACUNA_SHARED_PRODUCT_32
#undef LACUNA_SHARED_PRODUCT_64
#undef LACUNA_SHARED_PRODUCT_128
#undef LACUNA_MULTIPLY_SHARED
#undef LACUNA_SUMS
#undef LACUNA_SUMS_4
#undef LACUNA_SUMS_8
#undef LACUNA_ALL_32
#undef LACUNA_ALL_64
#undef LACUNA_ALL_128
#undef LACUNA_MULTIPLY

/// Registers of the threads of a warpgroup: those that only copy give up some for those that
/// compute. All 128 threads call it, in one branch each of a kernel with bounds.
template <int kRegisters>
__device__ inline void give_registers_up() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(kRegisters));
}
template <int kRegisters>
__device__ inline void take_registers() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(kRegisters));
}

}  // namespace lacuna::cuda::device
