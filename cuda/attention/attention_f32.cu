// Attention in f32, forward and backward, with plain multiply-adds: for checking and for f32 runs,
// where precision counts and speed is secondary. The formulas are those of forward.cuh,
// backward_queries.cuh and backward_keys.cuh.
// A warp takes one row at a time. Of 32 columns each lane computes the logit of one; then the lanes
// share out the elements of the head, up to four each, and add the 32 columns in turn.
#include "attention/arguments.h"
#include "lacuna/kernels/gpu_limits.h"
#include "queue.h"

namespace lacuna::cuda::attention {
namespace {

constexpr int kPerLane = 4;  // elements of a head
constexpr int kWidest = 32 * kPerLane;
static_assert(kWidest >= kLimits.head_width);

__device__ inline int own_lane() {
  return static_cast<int>(threadIdx.x) % 32;
}

__device__ inline int32_t position_of(const DeviceOrder& order, int32_t lane, int32_t i) {
  return order.offset + lane * order.lane_stride + i / order.run * order.outer +
         i % order.run * order.inner;
}

template <class T>
__device__ T* row_of(const Rows<T>& x, int64_t batch, int64_t head, int64_t position) {
  return x.data + batch * x.batch + head * x.head + position * x.position;
}

/// The place of a row: item, group and number in the group.
struct Row {
  const Item& item;
  int64_t batch;
  int32_t group, lane, index, position;  // position -1: no such row

  __device__ Row(const Work& work, int number)
      : item(work.items[blockIdx.x / work.batch]), batch(blockIdx.x % work.batch) {
    group = static_cast<int32_t>(threadIdx.x) / 32;
    lane = item.first_lane + group / item.groups_per_lane;
    index = item.first_row + group % item.groups_per_lane * kF32GroupRows + number;
    position = -1;
    if (lane >= item.last_lane) return;
    const int32_t at = position_of(work.walks[item.walk].rows, lane, index);
    if (at < work.length) position = at;
  }
  template <class T>
  __device__ T* in(const Rows<T>& x) const {
    return row_of(x, batch, item.head, position);
  }
  __device__ int64_t statistics(const Work& work) const {
    return (batch * work.heads + item.head) * work.length;
  }
};

/// body(position) for all columns of a row, 32 at a time in the lanes of the warp; -1 for a lane
/// that has none.
template <class Body>
__device__ void for_columns(const Work& work, const Row& row, const Body& body) {
  for (int32_t i = row.item.first_segment; i < row.item.last_segment; ++i) {
    const Segment segment = work.segments[i];
    if (row.group < segment.first_group || row.group >= segment.last_group) continue;
    const Walk& walk = work.walks[segment.walk];
    const Span span = work.spans[walk.first_span + row.index];
    const int32_t end = min(span.end, segment.end);
    for (int32_t first = span.begin; first < end; first += 32) {
      const int32_t column = first + own_lane();
      body(column < end ? position_of(walk.columns, segment.lane, column) : -1);
    }
  }
}

__device__ inline float dot(const float* shared, const float* row, int width) {
  float sum = 0;
  for (int d = 0; d < width; ++d) sum += shared[d] * row[d];
  return sum;
}

__device__ inline void keep_row(float* shared, const float* row, int width) {
  __syncwarp();
  for (int d = own_lane(); d < width; d += 32) shared[d] = row[d];
  __syncwarp();
}

/// sums += weight of lane t * row of lane t's column, for t = 0 .. 31.
__device__ inline void add_columns(float (&sums)[kPerLane], float weight, int32_t column,
                                   const Rows<const float>& x, const Row& row) {
  for (int t = 0; t < 32; ++t) {
    const float by = __shfl_sync(~0u, weight, t);
    const int32_t position = __shfl_sync(~0u, column, t);
    if (position < 0) break;  // present columns come first
    const float* from = row_of(x, row.batch, row.item.head, position);
#pragma unroll
    for (int i = 0; i < kPerLane; ++i) {
      const int d = own_lane() + 32 * i;
      if (d < x.width) sums[i] += by * from[d];
    }
  }
}

__device__ inline void write_sums(float* to, int width, const float (&sums)[kPerLane], float factor,
                                  bool add) {
#pragma unroll
  for (int i = 0; i < kPerLane; ++i) {
    const int d = own_lane() + 32 * i;
    if (d < width) to[d] = sums[i] * factor + (add ? to[d] : 0);
  }
}

__device__ inline float warp_sum(float x) {
  for (int step = 16; step > 0; step /= 2) x += __shfl_xor_sync(~0u, x, step);
  return x;
}
__device__ inline float warp_max(float x) {
  for (int step = 16; step > 0; step /= 2) x = fmaxf(x, __shfl_xor_sync(~0u, x, step));
  return x;
}

__global__ void __launch_bounds__(kThreads)
    attention_forward_f32_kernel(const __grid_constant__ ForwardArguments<float> a) {
  __shared__ float rows[kGroups][kWidest];
  for (int number = 0; number < kF32GroupRows; ++number) {
    const Row row(a.work, number);
    if (row.position < 0) return;
    float* q = rows[row.group];
    keep_row(q, row.in(a.q), a.q.width);
    float* lse = a.lse + row.statistics(a.work) + row.position;
    float top = a.later ? *lse : -INFINITY;
    float sum = top > -INFINITY ? 1 : 0, out[kPerLane] = {};
    for (int i = 0; i < kPerLane && a.later; ++i) {
      if (own_lane() + 32 * i < a.y.width) out[i] = row.in(a.y)[own_lane() + 32 * i];
    }
    for_columns(a.work, row, [&](int32_t column) {
      float s = -INFINITY;
      if (column >= 0) {
        s = a.scale * dot(q, row_of(a.k, row.batch, row.item.head, column), a.q.width);
      }
      const float higher = fmaxf(top, warp_max(s)), rescale = expf(top - higher);
      const float p = expf(s - higher);
      sum = sum * rescale + warp_sum(p);
      for (float& x : out) x *= rescale;
      add_columns(out, p, column, a.v, row);
      top = higher;
    });
    write_sums(row.in(a.y), a.y.width, out, sum > 0 ? 1 / sum : 0, false);
    __syncwarp();
    if (own_lane() == 0) *lse = sum > 0 ? top + logf(sum) : -INFINITY;
  }
}

__global__ void __launch_bounds__(kThreads)
    attention_backward_queries_f32_kernel(const __grid_constant__ BackwardArguments<float> a) {
  __shared__ float rows[kGroups][2][kWidest];
  for (int number = 0; number < kF32GroupRows; ++number) {
    const Row row(a.work, number);
    if (row.position < 0) return;
    float *q = rows[row.group][0], *dy = rows[row.group][1];
    keep_row(q, row.in(a.q), a.q.width);
    keep_row(dy, row.in(a.dy), a.dy.width);
    const float lse = a.lse[row.statistics(a.work) + row.position];
    const float delta = a.delta[row.statistics(a.work) + row.position];
    float dq[kPerLane] = {};
    for_columns(a.work, row, [&](int32_t column) {
      float ds = 0;
      if (column >= 0) {
        const float* k = row_of(a.k, row.batch, row.item.head, column);
        const float* v = row_of(a.v, row.batch, row.item.head, column);
        const float p = expf(a.scale * dot(q, k, a.q.width) - lse);
        ds = p * (dot(dy, v, a.v.width) - delta);
      }
      add_columns(dq, ds, column, a.k, row);
    });
    write_sums(row.in(a.dq), a.dq.width, dq, a.scale, a.later);
  }
}

__global__ void __launch_bounds__(kThreads)
    attention_backward_keys_f32_kernel(const __grid_constant__ BackwardArguments<float> a) {
  __shared__ float rows[kGroups][2][kWidest];
  for (int number = 0; number < kF32GroupRows; ++number) {
    const Row row(a.work, number);
    if (row.position < 0) return;
    float *k = rows[row.group][0], *v = rows[row.group][1];
    keep_row(k, row.in(a.k), a.k.width);
    keep_row(v, row.in(a.v), a.v.width);
    const float *lse = a.lse + row.statistics(a.work), *delta = a.delta + row.statistics(a.work);
    float dk[kPerLane] = {}, dv[kPerLane] = {};
    for_columns(a.work, row, [&](int32_t column) {
      float p = 0, ds = 0;
      if (column >= 0) {
        const float* q = row_of(a.q, row.batch, row.item.head, column);
        const float* dy = row_of(a.dy, row.batch, row.item.head, column);
        p = expf(a.scale * dot(k, q, a.q.width) - lse[column]);
        ds = p * (dot(v, dy, a.v.width) - delta[column]);
      }
      add_columns(dv, p, column, a.dy, row);
      add_columns(dk, ds, column, a.q, row);
    });
    write_sums(row.in(a.dk), a.dk.width, dk, a.scale, a.later);
    write_sums(row.in(a.dv), a.dv.width, dv, 1, a.later);
  }
}

unsigned blocks_of(const Work& work) {
  return static_cast<unsigned>(work.count * work.batch);
}

}  // namespace

void launch_forward_f32(const ForwardArguments<float>& arguments, cudaStream_t stream) {
  attention_forward_f32_kernel<<<blocks_of(arguments.work), kThreads, 0, stream>>>(arguments);
  check_launch("attention_forward_f32_kernel");
}

void launch_backward_queries_f32(const BackwardArguments<float>& arguments, cudaStream_t stream) {
  attention_backward_queries_f32_kernel<<<blocks_of(arguments.work), kThreads, 0, stream>>>(
      arguments);
  check_launch("attention_backward_queries_f32_kernel");
}

void launch_backward_keys_f32(const BackwardArguments<float>& arguments, cudaStream_t stream) {
  attention_backward_keys_f32_kernel<<<blocks_of(arguments.work), kThreads, 0, stream>>>(arguments);
  check_launch("attention_backward_keys_f32_kernel");
}

}  // namespace lacuna::cuda::attention
