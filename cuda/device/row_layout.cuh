// Rows that are normalised, shared by the plain norm and the residual seam: who works on what. A
// group of kLanes threads, or of whole warps (kLanes 0), holds a row in registers, kPacks packs of
// kPack neighbours a thread: pack k of thread i begins at column (k * lanes of the group + i) *
// kPack. Blocks walk over their rows, so what is per column (gains, gradients of gains) stays in
// registers too. Where kLanes is not 0 no warp waits for another, and a block has kNormThreads.
#pragma once

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
struct RowLayout {
  static constexpr int kPack = kPackSize, kLanes = kRowLanes, kElements = kOfThread;
  static constexpr int kPacks = kElements / kPack;
  static constexpr int kMostThreads = kLanes > 0 ? kNormThreads : kMostNormThreads;
  /// Blocks on a multiprocessor that the registers of a kernel shall allow.
  static constexpr int kForwardBlocks = kLanes > 0 ? 3 : 1, kBackwardBlocks = kLanes > 0 ? 2 : 1;

  int width, lanes;
  int groups, group, lane;
  float per_column;  // 1 / width

  /// Gives each block a run of neighbouring rows, rows_of_group for each of its groups, which take
  /// them in turn. Suits a launch of more blocks than run at the same time.
  __device__ static RowLayout of_neighbours(int rows, int width, int lanes, int rows_of_group) {
    RowLayout layout(width, lanes);
    const int share = layout.groups * rows_of_group;
    layout.begin_ = static_cast<int>(blockIdx.x) * share;
    layout.count_ = min(share, rows - layout.begin_);
    layout.first_ = layout.begin_ + layout.group;
    layout.step_ = layout.groups;
    return layout;
  }
  /// Deals the rows out to the groups of all blocks in turn, so that together the blocks read
  /// memory from one end to the other. Suits blocks that all run at the same time.
  __device__ static RowLayout in_turn(int rows, int width, int lanes) {
    RowLayout layout(width, lanes);
    layout.begin_ = 0;
    layout.count_ = rows;
    layout.first_ = static_cast<int>(blockIdx.x) * layout.groups + layout.group;
    layout.step_ = static_cast<int>(gridDim.x) * layout.groups;
    return layout;
  }

  __device__ static int threads() {
    return kLanes > 0 ? kNormThreads : static_cast<int>(blockDim.x);
  }
  __device__ int first() const { return first_; }
  __device__ int step() const { return step_; }
  /// Whether the group takes another step. Groups that add up together take the same number of
  /// steps, so `row` may lie outside of the block's rows: has() tells.
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
  __device__ RowLayout(int width, int lanes_of_row)
      : width(width),
        lanes(kLanes > 0 ? kLanes : lanes_of_row),
        per_column(1.0F / static_cast<float>(width)) {
    groups = threads() / lanes;
    group = static_cast<int>(threadIdx.x) / lanes;
    // The same for a whole warp, which the compiler cannot know.
    if (kLanes == 32) group = __shfl_sync(0xFFFFFFFFu, group, 0);
    lane = static_cast<int>(threadIdx.x) % lanes;
  }

  int begin_, count_;  // rows that belong to the block
  int first_, step_;
};

}  // namespace lacuna::cuda
