// Rows that are normalised, shared by the plain norm and the residual seam. A group of kLanes
// threads, or of whole warps (kLanes 0), holds a row in registers, kPacks packs of kPack
// neighbours a thread: pack k of thread i begins at column (k * lanes of the group + i) * kPack.
// Blocks walk over their rows, so what is per column (gains, gradients of gains) stays in registers
// too. Where kLanes is not 0 no warp waits for another, and a block has kNormThreads.
#pragma once

#include <algorithm>

#include "elements.cuh"

namespace lacuna::cuda {

inline constexpr int kNormThreads = 256;      // of a block, where a row needs no more
inline constexpr int kMostNormThreads = 512;  // so that a thread may have 128 registers
inline constexpr int kNormElements = 16;      // of a thread, at most

/// The shared memory of a launch: first for rows, at the end for sums per column.
extern __shared__ uint4 norm_shared[];

/// Which rows and columns a thread works on. The rows of a thread are first(), first() + step(), ..
/// while goes_on().
template <int kPackSize, int kRowLanes, int kOfThread = kNormElements>
struct NormPlace {
  static constexpr int kPack = kPackSize, kLanes = kRowLanes, kElements = kOfThread;
  static constexpr int kPacks = kElements / kPack;
  static constexpr int kMostThreads = kLanes > 0 ? kNormThreads : kMostNormThreads;
  /// Blocks on a multiprocessor that the registers of a kernel shall allow.
  static constexpr int kForwardBlocks = kLanes > 0 ? 3 : 1, kBackwardBlocks = kLanes > 0 ? 2 : 1;

  int width, lanes;
  int groups, group, lane;
  float per_column;  // 1 / width

  /// The block has rows that follow each other, which its groups take in turn, rows_of_group each:
  /// for more blocks than run at the same time.
  __device__ static NormPlace of_neighbours(int rows, int width, int lanes, int rows_of_group) {
    NormPlace place(width, lanes);
    const int share = place.groups * rows_of_group;
    place.begin_ = static_cast<int>(blockIdx.x) * share;
    place.count_ = min(share, rows - place.begin_);
    place.first_ = place.begin_ + place.group;
    place.step_ = place.groups;
    return place;
  }
  /// The rows go to the groups of all blocks in turn, so that memory is read from its begin to its
  /// end: for blocks that run at the same time.
  __device__ static NormPlace in_turn(int rows, int width, int lanes) {
    NormPlace place(width, lanes);
    place.begin_ = 0;
    place.count_ = rows;
    place.first_ = static_cast<int>(blockIdx.x) * place.groups + place.group;
    place.step_ = static_cast<int>(gridDim.x) * place.groups;
    return place;
  }

  __device__ static int threads() {
    return kLanes > 0 ? kNormThreads : static_cast<int>(blockDim.x);
  }
  __device__ int first() const { return first_; }
  __device__ int step() const { return step_; }
  /// Groups that add up together make the same number of steps, so a row may lie outside.
  __device__ bool goes_on(int row) const {
    const int ahead = kLanes == 0 ? group : group % (32 / (kLanes > 0 ? kLanes : 32));
    return contains(row - ahead);
  }
  __device__ bool contains(int row) const {
    return static_cast<unsigned>(row - begin_) < static_cast<unsigned>(count_);
  }
  /// contains(), of a row for which the group goes on.
  __device__ bool has(int row) const { return kLanes == 32 || contains(row); }
  __device__ int column(int k) const { return (k * lanes + lane) * kPack; }
  __device__ bool inside(int k) const { return column(k) < width; }

 private:
  __device__ NormPlace(int width, int lanes_of_row)
      : width(width),
        lanes(kLanes > 0 ? kLanes : lanes_of_row),
        per_column(1.0F / static_cast<float>(width)) {
    groups = threads() / lanes;
    group = static_cast<int>(threadIdx.x) / lanes;
    // The same for a whole warp, which the compiler cannot know.
    if (kLanes == 32) group = __shfl_sync(0xFFFFFFFFu, group, 0);
    lane = static_cast<int>(threadIdx.x) % lanes;
  }

  int begin_, count_;  // rows that belong to the place
  int first_, step_;
};

/// A thread's part of a row as it is stored, zeros outside of it.
template <class T, class Place>
struct StoredRow {
  static constexpr int kPack = Place::kPack, kPacks = Place::kPacks;

  Pack<T, kPack> packs[kPacks];

  __device__ float at(int k, int i) const { return element(packs[k], i); }
  __device__ void to_values(float* values) const {
#pragma unroll
    for (int k = 0; k < kPacks; ++k) {
#pragma unroll
      for (int i = 0; i < kPack; ++i) values[k * kPack + i] = at(k, i);
    }
  }
  __device__ static StoredRow rounded(const float* values) {
    StoredRow row;
#pragma unroll
    for (int k = 0; k < kPacks; ++k) row.packs[k] = rounded_pack<T, kPack>(values + k * kPack);
    return row;
  }
};

/// Rows of kTensors tensors on their way to a block: copied to shared memory well before they are
/// used, up to kMostStages rows at a time, so that enough bytes are under way without taking
/// registers. A thread reads only what it asked for itself, so there is no barrier. Packs of less
/// than 16 bytes are read when they are used.
template <class T, class Place, int kTensors, int kMostStages = 4>
class RowQueue {
 public:
  using Row = StoredRow<T, Place>;
  static constexpr int kPack = Place::kPack, kPacks = Place::kPacks;
  static constexpr bool kCopies = kPack * sizeof(T) == 16;
  static constexpr int kStageBytes = kTensors * kPacks * 16;  // of a thread
  static constexpr int kStages = std::min(kMostStages, kStageBytes <= 64   ? 4
                                                       : kStageBytes <= 96 ? 3
                                                                           : 1);
  /// Of shared memory, for each thread.
  static constexpr int kBytes = kCopies ? kStages * kStageBytes : 0;

  /// A null tensor has rows of zeros.
  template <class... Tensors>
  __device__ RowQueue(const Place& place, Tensors... tensors)
      : place_(place), tensors_{tensors...} {
    if constexpr (kCopies) {
      begin_ = static_cast<uint32_t>(__cvta_generic_to_shared(norm_shared + threadIdx.x));
      write_ = begin_;
      read_ = begin_ + (kStages - 1) * stage_bytes();
#pragma unroll
      for (int i = 0; i + 1 < kStages; ++i) ask(place.first() + i * place.step());
    }
  }
  /// Before the queue is made, and before what was launched earlier is done: brings the rows that
  /// a group begins with to the L2 cache. For a tensor that has been in memory for long; where it
  /// is still being written this only costs time.
  __device__ static void prefetch(const Place& place, const T* tensor) {
#if __CUDA_ARCH__ >= 900
    if (!kCopies || place.lane != 0) return;
    int row = place.first();
    for (int i = 0; i + 1 < kStages && place.contains(row); ++i, row += place.step()) {
      asm volatile(
          "cp.async.bulk.prefetch.L2.global [%0], %1;" ::"l"(tensor + int64_t{row} * place.width),
          "r"(place.width * static_cast<int>(sizeof(T)))
          : "memory");
    }
#endif
  }
  /// To the next row, which is `row`.
  __device__ void advance(int row) {
    row_ = row;
    if constexpr (kCopies) {
      read_ = following(read_);
      ask(row + (kStages - 1) * place_.step());
      asm volatile("cp.async.wait_group %0;" ::"n"(kStages - 1) : "memory");
    }
  }
  __device__ Row get(int tensor) const {
    Row row;
#pragma unroll
    for (int k = 0; k < kPacks; ++k) {
      if constexpr (kCopies) {
        auto& words = reinterpret_cast<uint4&>(row.packs[k]);
        asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];"
                     : "=r"(words.x), "=r"(words.y), "=r"(words.z), "=r"(words.w)
                     : "r"(read_ + (tensor * kPacks + k) * slot_bytes())
                     : "memory");
      } else {
        row.packs[k] = {};
        if (place_.contains(row_) && tensors_[tensor] != nullptr && place_.inside(k)) {
          row.packs[k] =
              load<kPack>(tensors_[tensor] + int64_t{row_} * place_.width + place_.column(k));
        }
      }
    }
    return row;
  }

 private:
  /// From one pack of a thread to its next.
  __device__ static uint32_t slot_bytes() {
    return static_cast<uint32_t>(Place::threads()) * 16;
  }
  __device__ static uint32_t stage_bytes() {
    return kTensors * kPacks * slot_bytes();
  }
  __device__ uint32_t following(uint32_t stage) const {
    return stage == begin_ + (kStages - 1) * stage_bytes() ? begin_ : stage + stage_bytes();
  }
  /// Copies into the next free stage; zeros where there is no row, column or tensor.
  __device__ void ask(int row) {
    if (place_.goes_on(row)) {
#pragma unroll
      for (int slot = 0; slot < kTensors * kPacks; ++slot) {
        const int tensor = slot / kPacks, k = slot % kPacks;
        const bool is_there =
            place_.contains(row) && place_.inside(k) && tensors_[tensor] != nullptr;
        const T* from = tensors_[tensor] + int64_t{row} * place_.width + place_.column(k);
        asm volatile(
            "cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(write_ + slot * slot_bytes()),
            "l"(from), "r"(is_there ? 16 : 0)
            : "memory");
      }
    }
    asm volatile("cp.async.commit_group;" ::: "memory");
    write_ = following(write_);
  }

  const Place& place_;
  const T* tensors_[kTensors];
  uint32_t begin_ = 0, read_ = 0, write_ = 0;  // stages in shared memory
  int row_ = 0;
};

/// Mean and rstd of the rows of a group, read one row early.
class RowStatistics {
 public:
  template <class Place>
  __device__ RowStatistics(const Place& place, const float* mean, const float* rstd)
      : mean_(mean), rstd_(rstd), next_(read(place, place.first())) {}
  /// Of `row`, which is the next one.
  template <class Place>
  __device__ float2 advance(const Place& place, int row) {
    const float2 now = next_;
    next_ = read(place, row + place.step());
    return now;
  }

 private:
  template <class Place>
  __device__ float2 read(const Place& place, int row) const {
    return place.contains(row) ? float2{mean_[row], rstd_[row]} : float2{0, 0};
  }

  const float *mean_, *rstd_;
  float2 next_;
};

template <class T, class Place>
__device__ void write_row(const Place& place, const StoredRow<T, Place>& values, T* to, int row) {
#pragma unroll
  for (int k = 0; k < place.kPacks; ++k) {
    if (!place.has(row) || !place.inside(k)) continue;
    store<Place::kPack>(to + int64_t{row} * place.width + place.column(k), values.packs[k]);
  }
}

/// What there is per column, such as gains.
template <class Place>
__device__ void read_columns(const Place& place, const float* from, float* values) {
  constexpr int kPack = Place::kPack;
#pragma unroll
  for (int k = 0; k < place.kPacks; ++k) {
    Pack<float, kPack> pack{};
    if (place.inside(k)) pack = load<kPack>(from + place.column(k));
#pragma unroll
    for (int i = 0; i < kPack; ++i) values[k * kPack + i] = pack.at[i];
  }
}

/// Sums a and b over the group; every thread of it gets the same bits.
template <class Place>
__device__ float2 group_sum(const Place& place, float a, float b) {
  constexpr int kOfWarp = Place::kLanes == 16 ? 16 : 32;
  a = warp_sum<kOfWarp>(a);
  b = warp_sum<kOfWarp>(b);
  if (Place::kLanes > 0) return {a, b};
  __shared__ float2 sums[kMostNormThreads / 32];
  __syncthreads();  // the sums before are read
  if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = {a, b};
  __syncthreads();
  float2 total{0, 0};
  for (int warp = 0; warp < place.lanes / 32; ++warp) {
    total.x += sums[place.group * place.lanes / 32 + warp].x;
    total.y += sums[place.group * place.lanes / 32 + warp].y;
  }
  return total;
}

/// y = (x - mean) * rstd * gain + bias; the variance is of x - mean, in a second pass over
/// registers. Outside of the row x is 0.
template <class T, class Place>
__device__ void normalise_row(const Place& place, float* x, const float* gain, const float* bias,
                              float eps, int row, T* y, float* mean, float* rstd) {
  constexpr int kPack = Place::kPack;
  float sum = 0, squares = 0;
#pragma unroll
  for (int j = 0; j < Place::kElements; ++j) sum += x[j];
  const float mu = group_sum(place, sum, 0).x * place.per_column;
#pragma unroll
  for (int k = 0; k < place.kPacks; ++k) {
    const float centre = place.inside(k) ? mu : 0;
#pragma unroll
    for (int i = 0; i < kPack; ++i) {
      x[k * kPack + i] -= centre;
      squares += x[k * kPack + i] * x[k * kPack + i];
    }
  }
  const float variance = group_sum(place, squares, 0).x * place.per_column;
  const float inverse = rsqrtf(variance + eps);
#pragma unroll
  for (int j = 0; j < Place::kElements; ++j) x[j] = x[j] * inverse * gain[j] + bias[j];
  write_row(place, StoredRow<T, Place>::rounded(x), y, row);
  if (place.lane == 0 && place.has(row)) {
    mean[row] = mu;
    rstd[row] = inverse;
  }
}

/// dx = rstd * (g - mean(g) - xhat * mean(g * xhat)), g = dy * gain, xhat = (x - mean) * rstd; adds
/// to the thread's dgain and dbias.
template <class T, class Place>
__device__ void normalise_row_backward(const Place& place, const StoredRow<T, Place>& x,
                                       const StoredRow<T, Place>& dy, const float* gain, float mean,
                                       float rstd, float* dx, float* dgain, float* dbias) {
  constexpr int kPack = Place::kPack;
  float sum = 0, dot = 0;
#pragma unroll
  for (int k = 0; k < place.kPacks; ++k) {
#pragma unroll
    for (int i = 0; i < kPack; ++i) {
      const int j = k * kPack + i;
      const float normal = (x.at(k, i) - mean) * rstd;  // times a dy of 0 outside of the row
      const float g = dy.at(k, i) * gain[j];
      sum += g;
      dot += g * normal;
      dgain[j] += dy.at(k, i) * normal;
      dbias[j] += dy.at(k, i);
    }
  }
  const float2 sums = group_sum(place, sum, dot);
  const float shift = rstd * sums.x * place.per_column, slope = rstd * sums.y * place.per_column;
#pragma unroll
  for (int k = 0; k < place.kPacks; ++k) {
#pragma unroll
    for (int i = 0; i < kPack; ++i) {
      const int j = k * kPack + i;
      const float normal = (x.at(k, i) - mean) * rstd;
      dx[j] = rstd * (dy.at(k, i) * gain[j]) - shift - normal * slope;
    }
  }
}

/// What the groups of the block have summed per column, added in their order: a to
/// partial[0, width), b to partial[width, 2 width). All threads must call it, after their rows.
template <class Place>
__device__ void write_column_sums(const Place& place, const float* a, const float* b,
                                  float* partial) {
  constexpr int kPack = Place::kPack;
  if (place.groups == 1) {
    for (int k = 0; k < place.kPacks; ++k) {
#pragma unroll
      for (int i = 0; i < kPack; ++i) {
        if (!place.inside(k)) continue;
        partial[place.column(k) + i] = a[k * kPack + i];
        partial[place.width + place.column(k) + i] = b[k * kPack + i];
      }
    }
    return;
  }
  const int columns = place.lanes * Place::kElements;  // of a group
  auto* staged = reinterpret_cast<float*>(norm_shared);
  float* const staged_b = staged + place.groups * columns;
  asm volatile("cp.async.wait_all;" ::: "memory");
  __syncthreads();  // all rows are read
#pragma unroll
  for (int k = 0; k < place.kPacks; ++k) {
    const int at = place.group * columns + place.column(k);
    Pack<float, kPack> of_a, of_b;
#pragma unroll
    for (int i = 0; i < kPack; ++i) {
      of_a.at[i] = a[k * kPack + i];
      of_b.at[i] = b[k * kPack + i];
    }
    store<kPack>(staged + at, of_a);
    store<kPack>(staged_b + at, of_b);
  }
  __syncthreads();
  for (int j = static_cast<int>(threadIdx.x); j < place.width; j += place.threads()) {
    float sum_a = 0, sum_b = 0;
#pragma unroll
    for (int group = 0; group < place.groups; ++group) {
      sum_a += staged[group * columns + j];
      sum_b += staged_b[group * columns + j];
    }
    partial[j] = sum_a;
    partial[place.width + j] = sum_b;
  }
}

}  // namespace lacuna::cuda
