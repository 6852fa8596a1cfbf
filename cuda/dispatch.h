// From views to the pointers and element types of kernels.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <type_traits>

#include "lacuna/base/error.h"
#include "lacuna/tensor/view.h"
#include "queue.h"
#include "scratch.h"

namespace lacuna::cuda {

template <class T>
struct StoredAs : DTypeOf<T> {};
template <>
struct StoredAs<__nv_bfloat16> : DTypeOf<BFloat16> {};
template <>
struct StoredAs<__half> : DTypeOf<Float16> {};

/// The elements of a contiguous view, null when it is absent; throws Error(kInternal) naming `op`
/// when they are of another type or not contiguous.
template <class T>
T* pointer(const View& view, const char* op) {
  if (!view.present()) return nullptr;
  require(view.dtype() == StoredAs<T>::value, op,
          "a view has a type that the kernel does not take");
  require(view.contiguous(), op, "a view is not contiguous");
  return static_cast<T*>(view.raw());
}

/// Calls body(T{}) with T = float, __nv_bfloat16 or __half.
template <class Body>
void with_activation_type(DType dtype, const char* op, const Body& body) {
  if (dtype == DType::kBF16) return body(__nv_bfloat16{});
  if (dtype == DType::kF16) return body(__half{});
  require(dtype == DType::kF32, op, "activations on the GPU are bf16, f16 or f32");
  body(float{});
}

/// A number that the compiler knows, for lambdas.
template <int kValue>
using Constant = std::integral_constant<int, kValue>;

/// Calls body(Constant<kWide>) when rows of `width` elements can be moved in packs of kWide, which
/// all `pointers` (null: absent) must be aligned for at 16 bytes; else body(Constant<1>).
template <int kWide, class Body>
void with_pack_width(int64_t width, std::initializer_list<const void*> pointers, const Body& body) {
  const bool aligned = std::all_of(pointers.begin(), pointers.end(), [](const void* at) {
    return reinterpret_cast<uintptr_t>(at) % 16 == 0;
  });
  if (aligned && width % kWide == 0) return body(Constant<kWide>{});
  body(Constant<1>{});
}

/// Blocks of `kernel`, with `shared` bytes of dynamic shared memory, that run at the same time on
/// the whole GPU.
template <class Kernel>
int64_t resident_blocks(const GpuStream& stream, Kernel kernel, int threads, int shared) {
  int blocks = 0;
  check(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, kernel, threads,
                                                      static_cast<size_t>(shared)),
        "cudaOccupancyMaxActiveBlocksPerMultiprocessor");
  return int64_t{blocks} * stream.multiprocessors();
}

}  // namespace lacuna::cuda
