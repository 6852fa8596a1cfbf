// How rows that are normalised come from memory and go back: what a thread holds of a row, and rows
// that are on their way while another is worked on (norm_place.cuh says which rows and columns).
#pragma once

#include <algorithm>

#include "norm_place.cuh"

namespace lacuna::cuda {

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

}  // namespace lacuna::cuda
