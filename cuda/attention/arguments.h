// What the attention kernels are launched with, and their hosts' entry points: one function per
// kernel, element type and padded head sizes, defined in a source of its own.
#pragma once

#include <cuda_runtime_api.h>

#include "attention/plan.h"
#include "attention/tiles.h"

namespace lacuna::cuda::attention {

/// [B, T, H, width] with contiguous rows.
template <class T>
struct Rows {
  T* data;
  int64_t batch;  // strides in elements
  int32_t position, head;
  int32_t width;
  bool wide;  // all rows start at multiples of 16 bytes, and are multiples of 16 bytes long
};

/// A stage of a plan on the device.
struct Work {
  const Item* items;  // of the stage
  const Segment* segments;
  const Walk* walks;
  const Span* spans;
  int64_t count;  // of items
  int32_t batch, length, heads;
};

template <class T>
struct ForwardArguments {
  Work work;
  Rows<const T> q, k, v;
  Rows<T> y;
  float* lse;
  float scale;
  bool later;  // go on from y and lse of the earlier stages
};

/// One kernel writes dq, the other dk and dv.
template <class T>
struct BackwardArguments {
  Work work;
  Rows<const T> q, k, v, y, dy;
  Rows<T> dq, dk, dv;
  const float* lse;
  float* delta;
  float scale;
  bool later;         // add to what the earlier stages wrote
  bool writes_delta;  // the queries' kernel computes delta of its rows; else it is there already
};

/// 16-bit elements, on tensor cores; kQk and kV are the padded head sizes.
template <class T, int kQk, int kV>
void launch_forward(const ForwardArguments<T>& arguments, cudaStream_t stream);
template <class T, int kQk, int kV>
void launch_backward_queries(const BackwardArguments<T>& arguments, cudaStream_t stream);
template <class T, int kQk, int kV>
void launch_backward_keys(const BackwardArguments<T>& arguments, cudaStream_t stream);

/// f32: a warp per row, groups of kF32GroupRows.
void launch_forward_f32(const ForwardArguments<float>& arguments, cudaStream_t stream);
void launch_backward_queries_f32(const BackwardArguments<float>& arguments, cudaStream_t stream);
void launch_backward_keys_f32(const BackwardArguments<float>& arguments, cudaStream_t stream);

/// [batch, length, heads] rows of a tensor, whose kernels do not follow a plan.
struct Extent {
  int32_t batch, length, heads;
};
/// delta = rowsum(dy * y).
template <class T>
void launch_delta(Extent extent, const Rows<const T>& y, const Rows<const T>& dy, float* delta,
                  cudaStream_t stream);
/// Zeros.
template <class T>
void launch_clear(Extent extent, const Rows<T>& x, cudaStream_t stream);
/// -inf everywhere.
void launch_clear_lse(Extent extent, float* lse, cudaStream_t stream);

}  // namespace lacuna::cuda::attention
