// Elements of the storage types on the device: packs that are moved in one access, conversions to
// and from f32 (to nearest even, as on the CPU), sums within a warp in a fixed order.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>
#include <type_traits>

namespace lacuna::cuda {

__device__ inline float to_f32(float x) {
  return x;
}
__device__ inline float to_f32(__nv_bfloat16 x) {
  return __bfloat162float(x);
}
__device__ inline float to_f32(__half x) {
  return __half2float(x);
}

template <class T>
__device__ T from_f32(float x);
template <>
__device__ inline float from_f32<float>(float x) {
  return x;
}
template <>
__device__ inline __nv_bfloat16 from_f32<__nv_bfloat16>(float x) {
  return __float2bfloat16_rn(x);
}
template <>
__device__ inline __half from_f32<__half>(float x) {
  return __float2half_rn(x);
}

template <class T>
__device__ auto rounded_pair(float a, float b);
template <>
__device__ inline auto rounded_pair<__nv_bfloat16>(float a, float b) {
  return __floats2bfloat162_rn(a, b);
}
template <>
__device__ inline auto rounded_pair<__half>(float a, float b) {
  return __floats2half2_rn(a, b);
}

/// kCount neighbours. Moved in accesses of 16 bytes where they have so many, else in one; the
/// address is then a multiple of the access.
template <class T, int kCount>
struct alignas(sizeof(T) * kCount < 16 ? sizeof(T) * kCount : 16) Pack {
  T at[kCount];
};

template <int kCount, class T>
__device__ Pack<T, kCount> load(const T* from) {
  using Packed = Pack<T, kCount>;
  Packed pack;
  if constexpr (sizeof(Packed) >= 16) {
#pragma unroll
    for (size_t i = 0; i < sizeof(Packed) / 16; ++i) {
      reinterpret_cast<uint4*>(&pack)[i] = reinterpret_cast<const uint4*>(from)[i];
    }
  } else if constexpr (sizeof(Packed) == 8) {
    *reinterpret_cast<uint2*>(&pack) = *reinterpret_cast<const uint2*>(from);
  } else {
    static_assert(kCount == 1);
    pack.at[0] = *from;
  }
  return pack;
}

template <int kCount, class T>
__device__ void store(T* to, const Pack<T, kCount>& pack) {
  using Packed = Pack<T, kCount>;
  if constexpr (sizeof(Packed) >= 16) {
#pragma unroll
    for (size_t i = 0; i < sizeof(Packed) / 16; ++i) {
      reinterpret_cast<uint4*>(to)[i] = reinterpret_cast<const uint4*>(&pack)[i];
    }
  } else if constexpr (sizeof(Packed) == 8) {
    *reinterpret_cast<uint2*>(to) = *reinterpret_cast<const uint2*>(&pack);
  } else {
    static_assert(kCount == 1);
    *to = pack.at[0];
  }
}

/// Element i of a pack; halves of a word take one instruction each.
template <class T, int kCount>
__device__ float element(const Pack<T, kCount>& pack, int i) {
  if constexpr (std::is_same_v<T, __nv_bfloat16> && kCount % 2 == 0) {
    const uint32_t word = reinterpret_cast<const uint32_t*>(pack.at)[i / 2];
    return __uint_as_float(i % 2 == 0 ? word << 16 : word & 0xFFFF0000u);
  } else {
    return to_f32(pack.at[i]);
  }
}

/// kCount values rounded to T; two at a time, where one alone takes a far slower instruction.
template <class T, int kCount>
__device__ Pack<T, kCount> rounded_pack(const float* values) {
  Pack<T, kCount> pack;
  if constexpr (kCount % 2 == 0 && !std::is_same_v<T, float>) {
#pragma unroll
    for (int i = 0; i < kCount; i += 2) {
      const auto pair = rounded_pair<T>(values[i], values[i + 1]);
      pack.at[i] = pair.x;
      pack.at[i + 1] = pair.y;
    }
  } else {
#pragma unroll
    for (int i = 0; i < kCount; ++i) pack.at[i] = from_f32<T>(values[i]);
  }
  return pack;
}

/// Elements of T in an access of 16 bytes.
template <class T>
constexpr int kVector = 16 / sizeof(T);

/// The sum (the largest) over a warp or each kLanes neighbours of it, the same bits in every lane.
template <int kLanes = 32, class T>
__device__ T warp_sum(T x) {
#pragma unroll
  for (int offset = kLanes / 2; offset > 0; offset /= 2)
    x += __shfl_xor_sync(0xFFFFFFFFu, x, offset);
  return x;
}
__device__ inline float warp_max(float x) {
#pragma unroll
  for (int offset = 16; offset > 0; offset /= 2) {
    x = fmaxf(x, __shfl_xor_sync(0xFFFFFFFFu, x, offset));
  }
  return x;
}

/// The sum over a block of kWarps full warps, in thread 0. All threads must call it.
template <int kWarps, class T>
__device__ T block_sum(T x) {
  __shared__ T sums[kWarps];
  x = warp_sum(x);
  if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = x;
  __syncthreads();
  T total = 0;
  if (threadIdx.x == 0) {
    for (int warp = 0; warp < kWarps; ++warp) total += sums[warp];
  }
  return total;
}

}  // namespace lacuna::cuda
