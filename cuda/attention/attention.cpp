// run() of the two attention contracts: checks, the choice of kernels, and one launch per stage of
// the plan. Nothing here knows a pattern.
#include "lacuna/kernels/attention.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <algorithm>
#include <limits>
#include <type_traits>

#include "attention/device_plan.h"
#include "attention/maps_sm90.h"
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

/// Calls body with std::integral_constant<int, ..> of the padded head sizes.
template <class Body>
void with_widths(const Choice& choice, const Body& body) {
  constexpr std::integral_constant<int, 32> k32;
  constexpr std::integral_constant<int, 64> k64;
  constexpr std::integral_constant<int, 128> k128;
  if (choice.v == 32) return body(k32, k32);
  if (choice.v == 64) return body(k64, k64);
  if (choice.qk == 64) return body(k64, k128);
  body(k128, k128);
}

/// Tensor maps know no dimension that stays where it is.
bool has_strides(const View& x) {
  for (int dim = 0; dim < 3; ++dim) {
    if (x.size(dim) > 1 && x.stride(dim) <= 0) return false;
  }
  return true;
}

template <class Op>
Choice choice_for(const GpuStream& stream, Kernel kernel, const Op& op, bool aligned) {
  for (const View* x : {&op.q, &op.k, &op.v, &op.y}) aligned = aligned && has_strides(*x);
  if constexpr (std::is_same_v<Op, AttentionBackward>) aligned = aligned && has_strides(op.dy);
  const Problem problem{.dtype = op.y.dtype(),
                        .qk = op.q.size(3),
                        .v = op.v.size(3),
                        .aligned = aligned,
                        .capability = stream.capability()};
  return choose(kernel, problem, *op.passes, stream.config().attention);
}

/// Launches each stage of a plan, as launch(arguments).
template <class Op, class Arguments, class Launch>
void run_stages(const DevicePlan& plan, const Op& op, Arguments arguments, const Launch& launch) {
  for (size_t i = 0; i < plan.stages.size(); ++i) {
    if (plan.stages[i].items == 0) continue;
    arguments.work = plan.stage(i, op.y.size(0), op.y.size(1), op.y.size(2));
    arguments.later = i > 0;
    launch(arguments);
  }
}

template <class T>
void launch_forward(const GpuStream& stream, const Choice& choice, const DevicePlan& plan,
                    const ForwardArguments<T>& a) {
  if constexpr (sizeof(T) == 4) {
    launch_forward_f32(a, stream.stream());
  } else if (choice.family == Family::kSm90) {
    const Sm90Tensors tensors{bits_of(a.q), bits_of(a.y), bits_of(a.k), bits_of(a.v)};
    const Sm90Walks walks{plan.walks_on_host, plan.extents,
                          choice.tile.groups * choice.tile.group_rows, choice.tile.column_tile};
    const std::vector<Sm90Tensors> of_walks(plan.walks_on_host.size(), tensors);
    const Sm90Maps maps = sm90_maps(walks, of_walks, a.work.batch, a.work.heads);
    with_widths(choice, [&](auto qk, auto v) {
      launch_forward_sm90<T, qk, v>(a, maps, stream.multiprocessors(), stream.stream());
    });
  } else {
    with_widths(choice, [&](auto qk, auto v) { launch_forward<T, qk, v>(a, stream.stream()); });
  }
}

template <class T>
void launch_backward(const GpuStream& gpu, const Choice& choice, const BackwardArguments<T>& a) {
  const bool of_queries = choice.rows == RowsAre::kQueries;
  cudaStream_t stream = gpu.stream();
  if constexpr (sizeof(T) == 4) {
    (of_queries ? launch_backward_queries_f32 : launch_backward_keys_f32)(a, stream);
  } else {
    with_widths(choice, [&](auto qk, auto v) {
      (of_queries ? launch_backward_queries<T, qk, v> : launch_backward_keys<T, qk, v>)(a, stream);
    });
  }
}

template <class T>
void forward(GpuStream& stream, const AttentionForward& op) {
  const ForwardArguments<T> arguments{.q = rows_of<const T>(op.q),
                                      .k = rows_of<const T>(op.k),
                                      .v = rows_of<const T>(op.v),
                                      .y = rows_of<T>(op.y),
                                      .lse = op.lse.data<float>(),
                                      .scale = static_cast<float>(op.scale)};
  const bool aligned = arguments.q.wide && arguments.k.wide && arguments.v.wide && arguments.y.wide;
  const Choice choice = choice_for(stream, Kernel::kForward, op, aligned);
  const DevicePlan& plan = device_plan(stream, *op.passes, op.y.size(1), choice);
  if (!plan.covers) {
    launch_clear(extent_of(op.y), arguments.y, stream.stream());
    launch_clear_lse(extent_of(op.y), arguments.lse, stream.stream());
  }
  run_stages(plan, op, arguments,
             [&](const ForwardArguments<T>& a) { launch_forward<T>(stream, choice, plan, a); });
}

template <class T>
bool all_wide(const BackwardArguments<T>& a) {
  return a.q.wide && a.k.wide && a.v.wide && a.y.wide && a.dy.wide && a.dq.wide && a.dk.wide &&
         a.dv.wide;
}

/// Hopper's kernel: dq, dk and dv of a stage at once.
template <class T>
void backward_sm90(GpuStream& stream, const AttentionBackward& op, const Choice& choice,
                   BackwardArguments<T> a) {
  if constexpr (sizeof(T) == 2) {
    const Extent extent = extent_of(op.y);
    const DevicePairPlan& made = device_pair_plan(stream, *op.passes, extent.length, choice);
    const PairPlan& plan = made.plan;
    launch_delta(extent, a.y, a.dy, a.delta, stream.stream());
    if (!plan.queries_cover) launch_clear(extent, a.dq, stream.stream());
    if (!plan.keys_cover) {
      launch_clear(extent, a.dk, stream.stream());
      launch_clear(extent, a.dv, stream.stream());
    }
    const Sm90Tensors queries{bits_of(a.q), bits_of(a.dy), bits_of(a.k), bits_of(a.v)};
    const Sm90Tensors keys{bits_of(a.k), bits_of(a.v), bits_of(a.q), bits_of(a.dy)};
    std::vector<Sm90Tensors> of_walks(plan.walks.size(), keys);
    std::fill_n(of_walks.begin(), plan.query_walks, queries);
    const int tile = choice.tile.column_tile;
    const Sm90Maps maps =
        sm90_maps({plan.walks, plan.extents, tile, tile}, of_walks, extent.batch, extent.heads);
    for (size_t i = 0; i < plan.stages.size(); ++i) {
      const Stage& stage = plan.stages[i];
      if (stage.items == 0) continue;
      a.work = {.spans = made.spans,
                .count = stage.items,
                .batch = extent.batch,
                .length = extent.length,
                .heads = extent.heads};
      a.later = i > 0;
      const PairWork pairs{made.items + stage.first_item, made.segments};
      with_widths(choice, [&](auto qk, auto v) {
        launch_backward_sm90<T, qk, v>(a, pairs, maps, stream.multiprocessors(), stream.stream());
      });
    }
  }
}

template <class T>
void backward_rows(GpuStream& stream, const AttentionBackward& op, Kernel kernel,
                   const BackwardArguments<T>& arguments) {
  const Extent extent = extent_of(op.y);
  const Choice choice = choice_for(stream, kernel, op, all_wide(arguments));
  const bool of_queries = choice.rows == RowsAre::kQueries;
  const DevicePlan& plan = device_plan(stream, *op.passes, op.y.size(1), choice);
  const bool with_delta = sizeof(T) == 2 && plan.covers;  // on tensor cores, of every row
  if (of_queries && !with_delta) {
    launch_delta(extent, arguments.y, arguments.dy, arguments.delta, stream.stream());
  }
  if (!plan.covers) {
    for (const Rows<T>* to : {&arguments.dq, &arguments.dk, &arguments.dv}) {
      if (of_queries == (to == &arguments.dq)) launch_clear(extent, *to, stream.stream());
    }
  }
  run_stages(plan, op, arguments, [&](BackwardArguments<T> a) {
    a.writes_delta = with_delta && !a.later;
    launch_backward<T>(stream, choice, a);
  });
}

template <class T>
void backward(GpuStream& stream, const AttentionBackward& op) {
  const BackwardArguments<T> arguments{.q = rows_of<const T>(op.q),
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
  const Choice choice = choice_for(stream, Kernel::kBackwardQueries, op, all_wide(arguments));
  if (choice.family == Family::kSm90) return backward_sm90(stream, op, choice, arguments);
  backward_rows(stream, op, Kernel::kBackwardQueries, arguments);
  backward_rows(stream, op, Kernel::kBackwardKeys, arguments);
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
