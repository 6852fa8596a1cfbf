// What the Hopper kernels are launched with besides the arguments of their family's contract: the
// maps by which the copy engine reads rows where they are, lanes and summaries too.
#pragma once

#include <cuda.h>

#include "attention/arguments.h"
#include "attention/pair_plan.h"

namespace lacuna::cuda::attention {

/// The rows or the columns of a walk, as the copy engine can read them: whole tiles whose first
/// index in the lane is a multiple of `unit`. Index `regular` and those beyond it are zeros in the
/// map, since not all lanes have them: where a lane does, the tile is copied by hand.
struct Regular {
  int32_t regular, unit;
};

/// Dimensions of a map: elements of a head, index in the lane, lane, head, sequence; where the
/// order has runs (and one lane only): elements, place in the run, run, head, sequence. Narrow is
/// what products of queries and keys sum over (q, k), wide the others (v, dy).
struct Sm90Maps {
  CUtensorMap narrow_rows[kSm90Walks], wide_rows[kSm90Walks];
  CUtensorMap narrow_columns[kSm90Walks], wide_columns[kSm90Walks];
  Regular rows[kSm90Walks], columns[kSm90Walks];
  Walk walks[kSm90Walks];  // those of the plan, nearer than memory
};

/// A stage of a pair plan on the device, beside its Work.
struct PairWork {
  const PairItem* items;
  const PairSegment* segments;
};

/// Elements of a row that a box takes: rows of 128 take two.
template <int kWidth>
inline constexpr int kPanelWidth = kWidth < 64 ? kWidth : 64;

/// 16-bit elements; every row starts at a multiple of 16 bytes and is exactly kQk or kV wide.
template <class T, int kQk, int kV>
void launch_forward_sm90(const ForwardArguments<T>& arguments, const Sm90Maps& maps,
                         int multiprocessors, cudaStream_t stream);
/// dq, dk and dv; delta is there. Of the work only the numbers and the spans count.
template <class T, int kQk, int kV>
void launch_backward_sm90(const BackwardArguments<T>& arguments, const PairWork& pairs,
                          const Sm90Maps& maps, int multiprocessors, cudaStream_t stream);

}  // namespace lacuna::cuda::attention
