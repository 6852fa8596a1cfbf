#include "attention/maps_sm90.h"

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

/// A dimension of a map between the elements of a head and the heads.
struct Dimension {
  int64_t size, stride;  // stride in positions
  int64_t box;
};

struct Heads {
  int64_t batch, heads;
};

CUtensorMap map_of(Encode encode, const Rows<const uint16_t>& x, int64_t offset,
                   const Dimension& inner, const Dimension& outer, const Heads& all) {
  constexpr int64_t kElement = 2;
  constexpr int32_t kMostPanel = 64;
  const int32_t panel = std::min(x.width, kMostPanel);
  const int64_t row = x.position * kElement;
  const cuuint64_t sizes[5] = {
      static_cast<cuuint64_t>(x.width), static_cast<cuuint64_t>(inner.size),
      static_cast<cuuint64_t>(outer.size), static_cast<cuuint64_t>(all.heads),
      static_cast<cuuint64_t>(all.batch)};
  // What is there once may have no stride, but the driver wants one.
  const auto stride = [&](int64_t bytes) {
    return static_cast<cuuint64_t>(bytes > 0 ? bytes : row);
  };
  const cuuint64_t strides[4] = {stride(inner.stride * row), stride(outer.stride * row),
                                 stride(x.head * kElement), stride(x.batch * kElement)};
  const cuuint32_t box[5] = {static_cast<cuuint32_t>(panel), static_cast<cuuint32_t>(inner.box),
                             static_cast<cuuint32_t>(outer.box), 1, 1};
  const cuuint32_t steps[5] = {1, 1, 1, 1, 1};
  const auto* start = reinterpret_cast<const std::byte*>(x.data) + offset * row;
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
};

}  // namespace

Sm90Maps sm90_maps(const Sm90Walks& plan, const std::vector<Sm90Tensors>& tensors, int64_t batch,
                   int64_t heads) {
  static const Encode encode = find_encode();
  require(plan.walks.size() <= kSm90Walks, "attention", "more passes than maps");
  Sm90Maps maps{};
  for (size_t i = 0; i < plan.walks.size(); ++i) {
    const Walk& walk = maps.walks[i] = plan.walks[i];
    const Extents& has = plan.extents[i];
    const auto fill = [&](const DeviceOrder& order, int32_t count, int32_t tile_rows,
                          const Rows<const uint16_t>& narrow, const Rows<const uint16_t>& wide,
                          Regular* regular, CUtensorMap* narrow_map, CUtensorMap* wide_map) {
      const Readable x(order, has.lanes, count, has.slot, tile_rows);
      *regular = x.regular;
      if (x.regular.regular == 0) return;  // never read
      const Heads all{batch, heads};
      *narrow_map = map_of(encode, narrow, order.offset, x.inner, x.outer, all);
      *wide_map = map_of(encode, wide, order.offset, x.inner, x.outer, all);
    };
    const Sm90Tensors& of = tensors[i];
    fill(walk.rows, has.rows, plan.row_tile, of.narrow_rows, of.wide_rows, &maps.rows[i],
         &maps.narrow_rows[i], &maps.wide_rows[i]);
    fill(walk.columns, has.columns, plan.column_tile, of.narrow_columns, of.wide_columns,
         &maps.columns[i], &maps.narrow_columns[i], &maps.wide_columns[i]);
  }
  return maps;
}

}  // namespace lacuna::cuda::attention
