// Rows that are normalised, shared by the plain norm and the residual seam. A group of warps (a
// power of two, usually one) holds a row in registers, kPacks packs of kPack neighbours a thread:
// pack k of thread i begins at column (k * threads of the group + i) * kPack. Blocks walk over the
// rows, so what is per column (gains, gradients of gains) stays in registers too.
#pragma once

#include "elements.cuh"

namespace lacuna::cuda {

inline constexpr int kNormThreads = 256;      // of a block, where a row needs no more
inline constexpr int kMostNormThreads = 512;  // so that a thread may have 128 registers
inline constexpr int kNormElements = 16;      // of a thread, at most

/// The shared memory of a launch: first for rows, at the end for sums per column.
extern __shared__ uint4 norm_shared[];

/// Which rows and columns a thread works on.
template <int kPack, int kPacks>
struct NormPlace {
  static constexpr int kElements = kPack * kPacks;

  int64_t rows, first;  // the first row of the block; all its threads make the same number of steps
  int width, warps, groups, group, lane;

  __device__ NormPlace(int64_t rows, int width, int warps)
      : rows(rows), width(width), warps(warps) {
    groups = static_cast<int>(blockDim.x) / (32 * warps);
    group = static_cast<int>(threadIdx.x) / (32 * warps);
    lane = static_cast<int>(threadIdx.x) % (32 * warps);
    first = int64_t{blockIdx.x} * groups;
  }
  __device__ int64_t step() const { return int64_t{gridDim.x} * groups; }
  __device__ int column(int k) const { return (k * 32 * warps + lane) * kPack; }
  __device__ bool inside(int k) const { return column(k) < width; }
};

/// A thread's part of a row as it is stored, zeros outside of it.
template <class T, int kPack, int kPacks>
struct StoredRow {
  Pack<T, kPack> packs[kPacks];

  __device__ float at(int k, int i) const { return to_f32(packs[k].at[i]); }
};

/// Rows of kTensors tensors on their way to a block: copied to shared memory well before they are
/// used, so that enough bytes are under way without taking registers. A thread reads only what it
/// asked for itself, so there is no barrier. Packs of less than 16 bytes are read when they are
/// used.
template <class T, int kPack, int kPacks, int kTensors>
class RowQueue {
 public:
  static constexpr bool kCopies = kPack * sizeof(T) == 16;
  static constexpr int kStageBytes = kTensors * kPacks * 16;  // of a thread
  static constexpr int kStages = kStageBytes <= 32   ? 5
                                 : kStageBytes <= 64 ? 4
                                 : kStageBytes <= 96 ? 3
                                                     : 1;
  /// Of shared memory, for each thread.
  static constexpr int kBytes = kCopies ? kStages * kStageBytes : 0;

  /// A null tensor has rows of zeros.
  template <class... Tensors>
  __device__ RowQueue(const NormPlace<kPack, kPacks>& place, Tensors... tensors)
      : place_(place), tensors_{tensors...} {
    if constexpr (kCopies) {
      for (int i = 0; i + 1 < kStages; ++i) {
        ask(place.first + place.group + i * place.step(), i);
      }
    }
  }
  /// To the next row, which is `row`.
  __device__ void advance(int64_t row) {
    row_ = row;
    if constexpr (kCopies) {
      stage_ = stage_ + 1 == kStages ? 0 : stage_ + 1;
      ask(row + (kStages - 1) * place_.step(), stage_ == 0 ? kStages - 1 : stage_ - 1);
      asm volatile("cp.async.wait_group %0;" ::"n"(kStages - 1) : "memory");
    }
  }
  __device__ StoredRow<T, kPack, kPacks> get(int tensor) const {
    StoredRow<T, kPack, kPacks> row;
    const bool is_there = row_ < place_.rows && tensors_[tensor] != nullptr;
#pragma unroll
    for (int k = 0; k < kPacks; ++k) {
      if (!is_there || !place_.inside(k)) {
#pragma unroll
        for (int i = 0; i < kPack; ++i) row.packs[k].at[i] = T(0.0F);
      } else if constexpr (kCopies) {
        row.packs[k] = load<kPack>(reinterpret_cast<const T*>(slot(stage_, tensor, k)));
      } else {
        row.packs[k] = load<kPack>(tensors_[tensor] + row_ * place_.width + place_.column(k));
      }
    }
    return row;
  }

 private:
  __device__ static uint4* slot(int stage, int tensor, int k) {
    return norm_shared + ((stage * kTensors + tensor) * kPacks + k) * blockDim.x + threadIdx.x;
  }
  __device__ void ask(int64_t row, int stage) {
#pragma unroll
    for (int tensor = 0; tensor < kTensors; ++tensor) {
#pragma unroll
      for (int k = 0; k < kPacks; ++k) {
        if (row >= place_.rows || tensors_[tensor] == nullptr || !place_.inside(k)) continue;
        const T* from = tensors_[tensor] + row * place_.width + place_.column(k);
        const auto to = static_cast<uint32_t>(__cvta_generic_to_shared(slot(stage, tensor, k)));
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(from) : "memory");
      }
    }
    asm volatile("cp.async.commit_group;" ::: "memory");
  }

  const NormPlace<kPack, kPacks>& place_;
  const T* tensors_[kTensors];
  int64_t row_ = 0;
  int stage_ = kStages - 1;
};

/// Mean and rstd of the rows of a group, read one row early.
class RowStatistics {
 public:
  template <class Place>
  __device__ RowStatistics(const Place& place, const float* mean, const float* rstd)
      : mean_(mean), rstd_(rstd), next_(read(place, place.first + place.group)) {}
  /// Of `row`, which is the next one.
  template <class Place>
  __device__ float2 advance(const Place& place, int64_t row) {
    const float2 now = next_;
    next_ = read(place, row + place.step());
    return now;
  }

 private:
  template <class Place>
  __device__ float2 read(const Place& place, int64_t row) const {
    return row < place.rows ? float2{mean_[row], rstd_[row]} : float2{0, 0};
  }

  const float *mean_, *rstd_;
  float2 next_;
};

/// `values`, rounded to T, to a row.
template <class T, int kPack, int kPacks>
__device__ void write_row(const NormPlace<kPack, kPacks>& place, const float* values, T* to,
                          int64_t row) {
#pragma unroll
  for (int k = 0; k < kPacks; ++k) {
    if (row >= place.rows || !place.inside(k)) continue;
    Pack<T, kPack> pack;
#pragma unroll
    for (int i = 0; i < kPack; ++i) pack.at[i] = from_f32<T>(values[k * kPack + i]);
    store<kPack>(to + row * place.width + place.column(k), pack);
  }
}

/// What there is per column, such as gains.
template <int kPack, int kPacks>
__device__ void read_columns(const NormPlace<kPack, kPacks>& place, const float* from,
                             float* values) {
#pragma unroll
  for (int k = 0; k < kPacks; ++k) {
    Pack<float, kPack> pack{};
    if (place.inside(k)) pack = load<kPack>(from + place.column(k));
#pragma unroll
    for (int i = 0; i < kPack; ++i) values[k * kPack + i] = pack.at[i];
  }
}

/// Sums a and b over the group; every thread of it gets the same bits.
template <int kPack, int kPacks>
__device__ float2 group_sum(const NormPlace<kPack, kPacks>& place, float a, float b) {
  a = warp_sum(a);
  b = warp_sum(b);
  if (place.warps == 1) return {a, b};
  __shared__ float2 sums[kMostNormThreads / 32];
  __syncthreads();  // the sums before are read
  if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = {a, b};
  __syncthreads();
  float2 total{0, 0};
  for (int warp = 0; warp < place.warps; ++warp) {
    total.x += sums[place.group * place.warps + warp].x;
    total.y += sums[place.group * place.warps + warp].y;
  }
  return total;
}

/// y = (x - mean) * rstd * gain + bias; the variance is of x - mean, in a second pass over
/// registers.
template <class T, int kPack, int kPacks>
__device__ void normalise_row(const NormPlace<kPack, kPacks>& place, const float* x,
                              const float* gain, const float* bias, float eps, int64_t row, T* y,
                              float* mean, float* rstd) {
  float sum = 0, squares = 0;
#pragma unroll
  for (int j = 0; j < kPack * kPacks; ++j) sum += x[j];
  const float mu = group_sum(place, sum, 0).x / static_cast<float>(place.width);
#pragma unroll
  for (int k = 0; k < kPacks; ++k) {
    if (!place.inside(k)) continue;
#pragma unroll
    for (int i = 0; i < kPack; ++i) squares += (x[k * kPack + i] - mu) * (x[k * kPack + i] - mu);
  }
  const float variance = group_sum(place, squares, 0).x / static_cast<float>(place.width);
  const float inverse = 1 / sqrtf(variance + eps);
  float values[kPack * kPacks];
#pragma unroll
  for (int j = 0; j < kPack * kPacks; ++j) values[j] = (x[j] - mu) * inverse * gain[j] + bias[j];
  write_row(place, values, y, row);
  if (place.lane == 0 && row < place.rows) {
    mean[row] = mu;
    rstd[row] = inverse;
  }
}

/// dx = rstd * (g - mean(g) - xhat * mean(g * xhat)), g = dy * gain, xhat = (x - mean) * rstd; adds
/// to the thread's dgain and dbias.
template <class T, int kPack, int kPacks>
__device__ void normalise_row_backward(const NormPlace<kPack, kPacks>& place,
                                       const StoredRow<T, kPack, kPacks>& x,
                                       const StoredRow<T, kPack, kPacks>& dy, const float* gain,
                                       float mean, float rstd, float* dx, float* dgain,
                                       float* dbias) {
  float sum = 0, dot = 0;
#pragma unroll
  for (int k = 0; k < kPacks; ++k) {
#pragma unroll
    for (int i = 0; i < kPack; ++i) {
      const int j = k * kPack + i;
      const float normal = (x.at(k, i) - mean) * rstd;  // times a dy of 0 outside of the row
      sum += dy.at(k, i) * gain[j];
      dot += dy.at(k, i) * gain[j] * normal;
      dgain[j] += dy.at(k, i) * normal;
      dbias[j] += dy.at(k, i);
    }
  }
  const float2 sums = group_sum(place, sum, dot);
  const auto width = static_cast<float>(place.width);
  const float mean_g = sums.x / width, mean_dot = sums.y / width;
#pragma unroll
  for (int k = 0; k < kPacks; ++k) {
#pragma unroll
    for (int i = 0; i < kPack; ++i) {
      const int j = k * kPack + i;
      const float normal = (x.at(k, i) - mean) * rstd;
      dx[j] = rstd * (dy.at(k, i) * gain[j] - mean_g - normal * mean_dot);
    }
  }
}

/// What the groups of the block have summed per column, added in their order, to partial [width].
/// All threads must call it.
template <int kPack, int kPacks>
__device__ void write_column_sums(const NormPlace<kPack, kPacks>& place, const float* values,
                                  float* partial) {
  auto* staged = reinterpret_cast<float*>(norm_shared);  // of kNormThreads * kNormElements
  if (place.groups == 1) {
    for (int k = 0; k < kPacks; ++k) {
#pragma unroll
      for (int i = 0; i < kPack; ++i) {
        if (place.inside(k)) partial[place.column(k) + i] = values[k * kPack + i];
      }
    }
    return;
  }
  const int columns = 32 * place.warps * kPack * kPacks;  // of a group
  __syncthreads();                                        // the rows, and the sums before, are read
#pragma unroll
  for (int k = 0; k < kPacks; ++k) {
#pragma unroll
    for (int i = 0; i < kPack; ++i) {
      staged[place.group * columns + place.column(k) + i] = values[k * kPack + i];
    }
  }
  __syncthreads();
  for (int j = static_cast<int>(threadIdx.x); j < place.width; j += static_cast<int>(blockDim.x)) {
    float sum = 0;
    for (int group = 0; group < place.groups; ++group) sum += staged[group * columns + j];
    partial[j] = sum;
  }
}

}  // namespace lacuna::cuda
