// How rows that are normalised come from memory and go back: what a thread holds of a row, and rows
// that are on their way while another is worked on (row_layout.cuh says which rows and columns).
#pragma once

#include <algorithm>

#include "row_layout.cuh"

namespace lacuna::cuda {

/// A thread's part of a row as it is stored, zeros outside of it.
template <class T, class Layout>
struct StoredRow {
  static constexpr int kPack = Layout::kPack, kPacks = Layout::kPacks;

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
template <class T, class Layout, int kTensors, int kMostStages = 4>
class RowQueue {
 public:
  using Row = StoredRow<T, Layout>;
  static constexpr int kPack = Layout::kPack, kPacks = Layout::kPacks;
  static constexpr bool kCopies = kPack * sizeof(T) == 16;
  static constexpr int kStageBytes = kTensors * kPacks * 16;  // of a thread
  static constexpr int kStages = std::min(kMostStages, kStageBytes <= 64   ? 4
                                                       : kStageBytes <= 96 ? 3
                                                                           : 1);
  /// How much shared memory each thread needs.
  static constexpr int kBytes = kCopies ? kStages * kStageBytes : 0;

  /// A null tensor has rows of zeros.
  template <class... Tensors>
  __device__ RowQueue(const Layout& layout, Tensors... tensors)
      : layout_(layout), tensors_{tensors...} {
    if constexpr (kCopies) {
      begin_ = static_cast<uint32_t>(__cvta_generic_to_shared(norm_shared + threadIdx.x));
      write_ = begin_;
      read_ = begin_ + (kStages - 1) * stage_bytes();
#pragma unroll
      for (int i = 0; i + 1 < kStages; ++i) ask(layout.first() + i * layout.step());
    }
  }
  /// Before the queue is made, and before what was launched earlier is done: brings the rows that
  /// a group begins with to the L2 cache. For a tensor that has been in memory for long; where it
  /// is still being written this only costs time.
  __device__ static void prefetch(const Layout& layout, const T* tensor) {
#if __CUDA_ARCH__ >= 900
    if (!kCopies || layout.lane != 0) return;
    int row = layout.first();
    for (int i = 0; i + 1 < kStages && layout.contains(row); ++i, row += layout.step()) {
      asm volatile(
          "cp.async.bulk.prefetch.L2.global [%0], %1;" ::"l"(tensor + int64_t{row} * layout.width),
          "r"(layout.width * static_cast<int>(sizeof(T)))
          : "memory");
    }
#endif
  }
  /// To the next row, which is `row`.
  __device__ void advance(int row) {
    row_ = row;
    if constexpr (kCopies) {
      read_ = following(read_);
      ask(row + (kStages - 1) * layout_.step());
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
        if (layout_.contains(row_) && tensors_[tensor] != nullptr && layout_.inside(k)) {
          row.packs[k] =
              load<kPack>(tensors_[tensor] + int64_t{row_} * layout_.width + layout_.column(k));
        }
      }
    }
    return row;
  }

 private:
  /// From one pack of a thread to its next.
  __device__ static uint32_t slot_bytes() {
    return static_cast<uint32_t>(Layout::threads()) * 16;
  }
  __device__ static uint32_t stage_bytes() {
    return kTensors * kPacks * slot_bytes();
  }
  __device__ uint32_t following(uint32_t stage) const {
    return stage == begin_ + (kStages - 1) * stage_bytes() ? begin_ : stage + stage_bytes();
  }
  /// Copies into the next free stage; zeros where there is no row, column or tensor.
  __device__ void ask(int row) {
    if (layout_.goes_on(row)) {
#pragma unroll
      for (int slot = 0; slot < kTensors * kPacks; ++slot) {
        const int tensor = slot / kPacks, k = slot % kPacks;
        const bool is_there =
            layout_.contains(row) && layout_.inside(k) && tensors_[tensor] != nullptr;
        const T* from = tensors_[tensor] + int64_t{row} * layout_.width + layout_.column(k);
        asm volatile(
            "cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(write_ + slot * slot_bytes()),
            "l"(from), "r"(is_there ? 16 : 0)
            : "memory");
      }
    }
    asm volatile("cp.async.commit_group;" ::: "memory");
    write_ = following(write_);
  }

  const Layout& layout_;
  const T* tensors_[kTensors];
  uint32_t begin_ = 0, read_ = 0, write_ = 0;  // stages in shared memory
  int row_ = 0;
};

/// Mean and rstd of the rows of a group, read one row early.
class RowStatistics {
 public:
  template <class Layout>
  __device__ RowStatistics(const Layout& layout, const float* mean, const float* rstd)
      : mean_(mean), rstd_(rstd), next_(read(layout, layout.first())) {}
  /// Returns the statistics of `row`, which is the next one.
  template <class Layout>
  __device__ float2 advance(const Layout& layout, int row) {
    const float2 now = next_;
    next_ = read(layout, row + layout.step());
    return now;
  }

 private:
  template <class Layout>
  __device__ float2 read(const Layout& layout, int row) const {
    return layout.contains(row) ? float2{mean_[row], rstd_[row]} : float2{0, 0};
  }

  const float *mean_, *rstd_;
  float2 next_;
};

template <class T, class Layout>
__device__ void write_row(const Layout& layout, const StoredRow<T, Layout>& values, T* to,
                          int row) {
#pragma unroll
  for (int k = 0; k < layout.kPacks; ++k) {
    if (!layout.has(row) || !layout.inside(k)) continue;
    store<Layout::kPack>(to + int64_t{row} * layout.width + layout.column(k), values.packs[k]);
  }
}

/// What there is per column, such as gains.
template <class Layout>
__device__ void read_columns(const Layout& layout, const float* from, float* values) {
  constexpr int kPack = Layout::kPack;
#pragma unroll
  for (int k = 0; k < layout.kPacks; ++k) {
    Pack<float, kPack> pack{};
    if (layout.inside(k)) pack = load<kPack>(from + layout.column(k));
#pragma unroll
    for (int i = 0; i < kPack; ++i) values[k * kPack + i] = pack.at[i];
  }
}

}  // namespace lacuna::cuda
