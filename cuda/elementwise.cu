// Ops on flat memory of n elements.
//   Convert      y = x in the type of y           n * (size of x + size of y) bytes
//   Accumulate   y += x                           n * 3 * size
//   Zero         memset                           n * size
//   SquaredNorm  sum = sum of x^2, in f64         n * size
// A thread moves packs of four neighbours, kPacks of them at a distance, so that four accesses are
// under way before the first is used. SquaredNorm: kNormBlocks blocks sum what they stride over,
// the last step is one block; the order depends on n alone.
// One H100, 95M elements of f32, 2026-11-27: 99 % (Convert to bf16), 100 %, 106 %, 94 % of the rate
// of a large copy.
#include "device/elements.cuh"
#include "dispatch.h"
#include "lacuna/kernels/elementwise.h"
#include "launch_kernel.h"

namespace lacuna::cuda {
namespace {

constexpr int kThreads = 256, kPacks = 4, kPack = 4;
constexpr int kNormBlocks = 1024;

// The sum, rounded once.
template <class T>
__device__ T plus(T a, T b) {
  if constexpr (std::is_same_v<T, double>) {
    return a + b;
  } else {
    return from_f32<T>(to_f32(a) + to_f32(b));
  }
}

template <class To, class From>
__device__ To converted(From x) {
  if constexpr (std::is_same_v<From, To>) {
    return x;
  } else if constexpr (std::is_same_v<From, double>) {
    return from_f32<To>(__double2float_rn(x));
  } else if constexpr (std::is_same_v<To, double>) {
    return to_f32(x);
  } else {
    return from_f32<To>(to_f32(x));
  }
}

// Where pack k of this thread begins.
template <int kCount>
__device__ int64_t pack_begin(int k) {
  return ((int64_t{blockIdx.x} * kPacks + k) * kThreads + threadIdx.x) * kCount;
}

template <class From, class To, int kCount>
__global__ void convert_kernel(const From* x, To* y, int64_t n) {
  follow_previous();
  Pack<From, kCount> from[kPacks];
#pragma unroll
  for (int k = 0; k < kPacks; ++k) {
    const int64_t at = pack_begin<kCount>(k);
    if (at + kCount <= n) from[k] = load<kCount>(x + at);
  }
#pragma unroll
  for (int k = 0; k < kPacks; ++k) {
    const int64_t at = pack_begin<kCount>(k);
    if (at + kCount <= n) {
      Pack<To, kCount> to;
#pragma unroll
      for (int i = 0; i < kCount; ++i) to.at[i] = converted<To>(from[k].at[i]);
      store<kCount>(y + at, to);
    } else {
      for (int64_t i = at; i < n; ++i) y[i] = converted<To>(x[i]);
    }
  }
}

template <class T, int kCount>
__global__ void accumulate_kernel(const T* x, T* y, int64_t n) {
  follow_previous();
  Pack<T, kCount> more[kPacks], sum[kPacks];
#pragma unroll
  for (int k = 0; k < kPacks; ++k) {
    const int64_t at = pack_begin<kCount>(k);
    if (at + kCount > n) continue;
    more[k] = load<kCount>(x + at);
    sum[k] = load<kCount>(y + at);
  }
#pragma unroll
  for (int k = 0; k < kPacks; ++k) {
    const int64_t at = pack_begin<kCount>(k);
    if (at + kCount <= n) {
#pragma unroll
      for (int i = 0; i < kCount; ++i) sum[k].at[i] = plus(sum[k].at[i], more[k].at[i]);
      store<kCount>(y + at, sum[k]);
    } else {
      for (int64_t i = at; i < n; ++i) y[i] = plus(y[i], x[i]);
    }
  }
}

// Block b sums packs b, b + blocks, .. of kPacks * kThreads packs each.
template <class T, int kCount>
__global__ void squared_norm_kernel(const T* x, int64_t n, double* partial) {
  follow_previous();
  double sum = 0;
  constexpr int64_t kStep = int64_t{kNormBlocks} * kThreads * kCount;
  const int64_t first = (int64_t{blockIdx.x} * kThreads + threadIdx.x) * kCount;
  for (int64_t at = first; at < n; at += kPacks * kStep) {
    Pack<T, kCount> values[kPacks];
#pragma unroll
    for (int k = 0; k < kPacks; ++k) {
      const int64_t begin = at + k * kStep;
      if (begin + kCount <= n) {
        values[k] = load<kCount>(x + begin);
      } else {
        for (int i = 0; i < kCount; ++i) values[k].at[i] = begin + i < n ? x[begin + i] : T(0);
      }
    }
#pragma unroll
    for (int k = 0; k < kPacks; ++k) {
#pragma unroll
      for (int i = 0; i < kCount; ++i) {
        const double value = values[k].at[i];
        sum += value * value;
      }
    }
  }
  sum = block_sum<kThreads / 32>(sum);
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

__global__ void finish_norm_kernel(const double* partial, double* sum) {
  follow_previous();
  const double total = block_sum<kNormBlocks / 32>(partial[threadIdx.x]);
  if (threadIdx.x == 0) *sum = total;
}

unsigned blocks_for(int64_t n, int count) {
  return static_cast<unsigned>(divide_up(n, int64_t{count} * kPacks * kThreads));
}

template <class Body>
void with_stored_type(DType dtype, const Body& body) {
  if (dtype == DType::kF64) return body(double{});
  with_activation_type(dtype, "Convert", body);
}

// For SquaredNorm.
template <class Body>
void with_wide_type(DType dtype, const char* op, const Body& body) {
  if (dtype == DType::kF64) return body(double{});
  require(dtype == DType::kF32, op, "a view is neither f64 nor f32");
  body(float{});
}

}  // namespace

void run(Backend, Queue& queue, const Convert& op) {
  const int64_t n = op.y.count();
  require(op.x.count() == n, "Convert", "views of different counts");
  if (n == 0) return;
  with_stored_type(op.x.dtype(), [&](auto from) {
    with_stored_type(op.y.dtype(), [&](auto to) {
      using From = decltype(from);
      using To = decltype(to);
      const From* x = pointer<From>(op.x, "Convert");
      To* y = pointer<To>(op.y, "Convert");
      with_pack_width<kPack>(0, {x, y}, [&](auto count) {
        launch_kernel(gpu(queue), "convert_kernel", convert_kernel<From, To, count>,
                      blocks_for(n, count), kThreads, 0, x, y, n);
      });
    });
  });
}

void run(Backend, Queue& queue, const Accumulate& op) {
  const int64_t n = op.y.count();
  require(op.x.count() == n, "Accumulate", "views of different counts");
  if (n == 0) return;
  with_stored_type(op.y.dtype(), [&](auto t) {
    using T = decltype(t);
    const T* x = pointer<T>(op.x, "Accumulate");
    T* y = pointer<T>(op.y, "Accumulate");
    with_pack_width<kPack>(0, {x, y}, [&](auto count) {
      launch_kernel(gpu(queue), "accumulate_kernel", accumulate_kernel<T, count>,
                    blocks_for(n, count), kThreads, 0, x, y, n);
    });
  });
}

void run(Backend, Queue& queue, const Zero& op) {
  require(op.y.contiguous(), "Zero", "a view is not contiguous");
  gpu(queue).fill(op.y.raw(), 0, op.y.bytes());
}

void run(Backend, Queue& queue, const SquaredNorm& op) {
  GpuStream& stream = gpu(queue);
  double* partial = stream.workspace<double>(kNormBlocks);
  with_wide_type(op.x.dtype(), "SquaredNorm", [&](auto t) {
    using T = decltype(t);
    const T* x = pointer<T>(op.x, "SquaredNorm");
    with_pack_width<kPack>(0, {x}, [&](auto count) {
      launch_kernel(stream, "squared_norm_kernel", squared_norm_kernel<T, count>, kNormBlocks,
                    kThreads, 0, x, op.x.count(), partial);
    });
  });
  launch_kernel(stream, "finish_norm_kernel", finish_norm_kernel, 1, kNormBlocks, 0, partial,
                pointer<double>(op.sum, "SquaredNorm"));
}

}  // namespace lacuna::cuda
