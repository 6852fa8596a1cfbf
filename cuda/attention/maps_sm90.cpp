#include "attention/maps_sm90.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <algorithm>

#include "lacuna/base/error.h"
#include "lacuna/base/text.h"

namespace lacuna::cuda::attention {
namespace {

using Encode = decltype(&cuTensorMapEncodeTiled);

/// Taken from the driver, so that this program starts where there is none.
Encode find_encode() {
  void* function = nullptr;
  cudaDriverEntryPointQueryResult found{};
  check(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function, 12000,
                                         cudaEnableDefault, &found),
        "cudaGetDriverEntryPointByVersion");
  require(found == cudaDriverEntryPointSuccess, "attention",
          "the driver does not know cuTensorMapEncodeTiled");
  return reinterpret_cast<Encode>(function);
}

/// A tensor of 16-bit elements; to be copied, it does not matter which.
struct Tensor16 {
  const void* data;
  int64_t batch, position, head, width;  // strides in elements

  template <class T>
  explicit Tensor16(const Rows<const T>& x)
      : data(x.data), batch(x.batch), position(x.position), head(x.head), width(x.width) {}
};

/// A dimension of a map between the elements of a head and the heads.
struct Dimension {
  int64_t size, stride;  // stride in positions
  int64_t box;
};

CUtensorMap map_of(Encode encode, const Tensor16& x, int64_t offset, const Dimension& inner,
                   const Dimension& outer, const Work& work) {
  constexpr int64_t kElement = 2, kMostPanel = 64;
  const int64_t panel = std::min(x.width, kMostPanel), row = x.position * kElement;
  const cuuint64_t sizes[5] = {
      static_cast<cuuint64_t>(x.width), static_cast<cuuint64_t>(inner.size),
      static_cast<cuuint64_t>(outer.size), static_cast<cuuint64_t>(work.heads),
      static_cast<cuuint64_t>(work.batch)};
  // What is there once may have no stride, but the driver wants one.
  const auto stride = [&](int64_t bytes) {
    return static_cast<cuuint64_t>(bytes > 0 ? bytes : row);
  };
  const cuuint64_t strides[4] = {stride(inner.stride * row), stride(outer.stride * row),
                                 stride(x.head * kElement), stride(x.batch * kElement)};
  const cuuint32_t box[5] = {static_cast<cuuint32_t>(panel), static_cast<cuuint32_t>(inner.box),
                             static_cast<cuuint32_t>(outer.box), 1, 1};
  const cuuint32_t steps[5] = {1, 1, 1, 1, 1};
  const auto* start = static_cast<const std::byte*>(x.data) + offset * row;
  CUtensorMap map{};
  const CUresult made =
      encode(&map, CU_TENSOR_MAP_DATA_TYPE_UINT16, 5, const_cast<std::byte*>(start), sizes, strides,
             box, steps, CU_TENSOR_MAP_INTERLEAVE_NONE,
             panel == kMostPanel ? CU_TENSOR_MAP_SWIZZLE_128B : CU_TENSOR_MAP_SWIZZLE_64B,
             CU_TENSOR_MAP_L2_PROMOTION_L2_128B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (made == CUDA_SUCCESS) return map;
  throw Error(ErrorKind::kInternal, "attention",
              str("cuTensorMapEncodeTiled returned ", static_cast<int>(made), " for [", sizes[4],
                  ", ", sizes[3], ", ", sizes[2], ", ", sizes[1], ", ", sizes[0],
                  "], strides in bytes ", strides[3], ", ", strides[2], ", ", strides[1], ", ",
                  strides[0], ", box ", box[2], " x ", box[1], " x ", box[0]));
}

/// An order as the copy engine can read it.
struct Readable {
  Regular regular{0, 1};
  Dimension inner{}, outer{};

  /// `count`: the indices that every lane has; `slot`: those of a lane in a tile that lanes share.
  Readable(const DeviceOrder& order, int32_t lanes, int32_t count, int32_t slot, int32_t tile) {
    if (order.lane_stride < 0) return;
    if (order.run == 1) {
      regular.regular = count;
      inner = {count, order.outer, slot > 0 ? slot : tile};
      outer = {lanes, order.lane_stride, slot > 0 ? tile / slot : 1};
      return;
    }
    // A box holds whole runs, or a part of one.
    const bool fits = tile % order.run == 0 || order.run % tile == 0;
    if (lanes > 1 || !fits || count < order.run) return;
    regular = {count - count % order.run, std::min(order.run, tile)};
    inner = {order.run, order.inner, regular.unit};
    outer = {count / order.run, order.outer, tile / regular.unit};
  }
  bool ever() const { return regular.regular > 0; }
};

}  // namespace

template <class T>
Sm90Maps sm90_maps(const DevicePlan& plan, const ForwardArguments<T>& a) {
  static const Encode encode = find_encode();
  require(plan.extents.size() <= kSm90Walks, "attention", "more passes than maps");
  Sm90Maps maps{};
  for (size_t i = 0; i < plan.extents.size(); ++i) {
    const Walk& walk = plan.walks_on_host[i];
    const Extents& has = plan.extents[i];
    const Readable rows(walk.rows, has.lanes, has.rows, has.slot, kSm90Rows);
    const Readable columns(walk.columns, has.lanes, has.columns, has.slot, kSm90Columns);
    const auto map = [&](const Readable& x, const auto& tensor, const DeviceOrder& order) {
      return map_of(encode, Tensor16(tensor), order.offset, x.inner, x.outer, a.work);
    };
    maps.rows[i] = rows.regular;
    maps.columns[i] = columns.regular;
    if (rows.ever()) maps.q[i] = map(rows, a.q, walk.rows);
    if (!columns.ever()) continue;
    maps.k[i] = map(columns, a.k, walk.columns);
    maps.v[i] = map(columns, a.v, walk.columns);
  }
  return maps;
}

template Sm90Maps sm90_maps(const DevicePlan&, const ForwardArguments<__nv_bfloat16>&);
template Sm90Maps sm90_maps(const DevicePlan&, const ForwardArguments<__half>&);

}  // namespace lacuna::cuda::attention
