// run() of the two attention contracts: checks, the choice of kernel, and one launch per stage of
// the plan. Nothing here knows a pattern.
#include "lacuna/kernels/attention.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <limits>

#include "attention/device_plan.h"
#include "lacuna/base/error.h"
#include "lacuna/kernels/gpu_limits.h"

namespace lacuna::cuda {
namespace {

using namespace attention;  // NOLINT: the kernels of this folder

void check_rows(const View& x, const View& like, int64_t width) {
  require(x.shape().rank() == 4 && x.dtype() == like.dtype() && x.size(3) == width &&
              (width == 1 || x.stride(3) == 1),
          "attention", "a tensor is not [B, T, H, D] with contiguous D, or of another type");
  for (int dim = 0; dim < 3; ++dim) {
    require(x.size(dim) == like.size(dim), "attention", "tensors of different shapes");
  }
}

void check_statistics(const View& x, const View& y) {
  require(x.dtype() == DType::kF32 && x.contiguous() &&
              x.shape() == Shape{y.size(0), y.size(2), y.size(1)},
          "attention", "lse and delta are f32 [B, H, T]");
}

template <class Op>
void check_op(const Op& op) {
  const int64_t qk = op.q.size(3), v = op.v.size(3);
  for (const View* x : {&op.q, &op.k}) check_rows(*x, op.y, qk);
  for (const View* x : {&op.v, &op.y}) check_rows(*x, op.y, v);
  check_statistics(op.lse, op.y);
  require(qk >= 1 && qk <= kLimits.head_width && v >= 1 && v <= kLimits.head_width, "attention",
          "heads are wider than kLimits (kernels/gpu_limits.h), or without elements");
  require(op.scale > 0, "attention", "the scale is positive");
  require(static_cast<int64_t>(op.passes->size()) == op.y.size(2), "attention",
          "one list of passes per head");
}

/// A view without elements has nothing to run on.
bool nothing(const View& y) {
  return y.count() == 0;
}

template <class T>
Rows<T> rows_of(const View& x) {
  const auto size = static_cast<int64_t>(sizeof(T));
  bool wide = reinterpret_cast<uintptr_t>(x.raw()) % 16 == 0 && x.size(3) * size % 16 == 0;
  for (int dim = 0; dim < 3; ++dim) wide = wide && x.stride(dim) * size % 16 == 0;
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
  require(x.stride(1) <= kMost && x.stride(2) <= kMost, "attention", "rows are too far apart");
  return {.data = static_cast<T*>(x.raw()),
          .batch = x.stride(0),
          .position = static_cast<int32_t>(x.stride(1)),
          .head = static_cast<int32_t>(x.stride(2)),
          .width = static_cast<int32_t>(x.size(3)),
          .wide = wide};
}

Extent extent_of(const View& y) {
  return {static_cast<int32_t>(y.size(0)), static_cast<int32_t>(y.size(1)),
          static_cast<int32_t>(y.size(2))};
}

/// Calls body with std::integral_constant<int, ..> of the padded head sizes, the smallest that hold
/// both.
template <class Body>
void with_widths(int64_t qk, int64_t v, const Body& body) {
  constexpr std::integral_constant<int, 32> k32;
  constexpr std::integral_constant<int, 64> k64;
  constexpr std::integral_constant<int, 128> k128;
  static_assert(k128 >= kLimits.head_width);
  if (qk <= 32 && v <= 32) return body(k32, k32);
  if (qk <= 64 && v <= 64) return body(k64, k64);
  if (qk <= 64) return body(k64, k128);
  body(k128, k128);
}

/// Calls body(work, later) for each stage of the plan.
template <class Op, class Body>
void for_stages(GpuStream& stream, const Op& op, RowsAre rows, int group_rows, const Body& body) {
  const int64_t length = op.y.size(1);
  const DevicePlan& plan = device_plan(stream, *op.passes, length, rows, group_rows);
  for (size_t i = 0; i < plan.stages.size(); ++i) {
    if (plan.stages[i].items == 0) continue;
    body(plan.stage(i, op.y.size(0), length, op.y.size(2)), i > 0);
  }
}

template <class Op>
bool covers(GpuStream& stream, const Op& op, RowsAre rows, int group_rows) {
  return device_plan(stream, *op.passes, op.y.size(1), rows, group_rows).covers;
}

template <class T>
void forward(GpuStream& stream, const AttentionForward& op) {
  ForwardArguments<T> arguments{.q = rows_of<const T>(op.q),
                                .k = rows_of<const T>(op.k),
                                .v = rows_of<const T>(op.v),
                                .y = rows_of<T>(op.y),
                                .lse = op.lse.data<float>(),
                                .scale = static_cast<float>(op.scale)};
  const auto run_stages = [&](int group_rows, const auto& kernel) {
    if (!covers(stream, op, RowsAre::kQueries, group_rows)) {
      launch_clear(extent_of(op.y), arguments.y, stream.stream());
      launch_clear_lse(extent_of(op.y), arguments.lse, stream.stream());
    }
    for_stages(stream, op, RowsAre::kQueries, group_rows, [&](const Work& work, bool later) {
      arguments.work = work;
      arguments.later = later;
      kernel(arguments, stream.stream());
    });
  };
  if constexpr (sizeof(T) == 4) {
    run_stages(kF32GroupRows, launch_forward_f32);
  } else {
    with_widths(op.q.size(3), op.v.size(3), [&](auto qk, auto v) {
      run_stages(16 * kForwardFragments<qk, v>, launch_forward<T, qk, v>);
    });
  }
}

template <class T>
void backward(GpuStream& stream, const AttentionBackward& op) {
  BackwardArguments<T> arguments{.q = rows_of<const T>(op.q),
                                 .k = rows_of<const T>(op.k),
                                 .v = rows_of<const T>(op.v),
                                 .y = rows_of<const T>(op.y),
                                 .dy = rows_of<const T>(op.dy),
                                 .dq = rows_of<T>(op.dq),
                                 .dk = rows_of<T>(op.dk),
                                 .dv = rows_of<T>(op.dv),
                                 .lse = op.lse.data<float>(),
                                 .delta = op.delta.data<float>(),
                                 .scale = static_cast<float>(op.scale)};
  const Extent extent = extent_of(op.y);
  const auto run_stages = [&](RowsAre rows, int group_rows, const auto& kernel) {
    const bool all_rows = covers(stream, op, rows, group_rows);
    const bool with_delta = sizeof(T) == 2 && all_rows;  // on tensor cores, of every row
    if (rows == RowsAre::kQueries && !with_delta) {
      launch_delta(extent, arguments.y, arguments.dy, arguments.delta, stream.stream());
    }
    if (!all_rows) {
      for (const Rows<T>* to : {&arguments.dq, &arguments.dk, &arguments.dv}) {
        const bool of_queries = to == &arguments.dq;
        if (of_queries == (rows == RowsAre::kQueries)) launch_clear(extent, *to, stream.stream());
      }
    }
    for_stages(stream, op, rows, group_rows, [&](const Work& work, bool later) {
      arguments.work = work;
      arguments.later = later;
      arguments.writes_delta = with_delta && !later;
      kernel(arguments, stream.stream());
    });
  };
  if constexpr (sizeof(T) == 4) {
    run_stages(RowsAre::kQueries, kF32GroupRows, launch_backward_queries_f32);
    run_stages(RowsAre::kKeys, kF32GroupRows, launch_backward_keys_f32);
  } else {
    with_widths(op.q.size(3), op.v.size(3), [&](auto qk, auto v) {
      run_stages(RowsAre::kQueries, 16 * kQueryFragments<qk, v>, launch_backward_queries<T, qk, v>);
      run_stages(RowsAre::kKeys, 16 * kKeyFragments<qk, v>, launch_backward_keys<T, qk, v>);
    });
  }
}

}  // namespace

void run(Backend, Queue& queue, const AttentionForward& op) {
  check_op(op);
  if (nothing(op.y)) return;
  switch (op.y.dtype()) {
    case DType::kF32:
      return forward<float>(gpu(queue), op);
    case DType::kBF16:
      return forward<__nv_bfloat16>(gpu(queue), op);
    case DType::kF16:
      return forward<__half>(gpu(queue), op);
    default:
      require(false, "AttentionForward", "f32, bf16 and f16 run on a GPU");
  }
}

void run(Backend, Queue& queue, const AttentionBackward& op) {
  check_op(op);
  check_rows(op.dy, op.y, op.v.size(3));
  check_rows(op.dq, op.y, op.q.size(3));
  check_rows(op.dk, op.y, op.q.size(3));
  check_rows(op.dv, op.y, op.v.size(3));
  check_statistics(op.delta, op.y);
  if (nothing(op.y)) return;
  switch (op.y.dtype()) {
    case DType::kF32:
      return backward<float>(gpu(queue), op);
    case DType::kBF16:
      return backward<__nv_bfloat16>(gpu(queue), op);
    case DType::kF16:
      return backward<__half>(gpu(queue), op);
    default:
      require(false, "AttentionBackward", "f32, bf16 and f16 run on a GPU");
  }
}

}  // namespace lacuna::cuda
