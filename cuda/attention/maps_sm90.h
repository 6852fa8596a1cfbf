// Tensor maps for the copy engine, made anew for each launch: they hold the addresses of its
// tensors.
#pragma once

#include "attention/arguments_sm90.h"
#include "attention/device_plan.h"

namespace lacuna::cuda::attention {

/// The tensors of a kernel: rows and columns of kQk elements (narrow) and of kV (wide). Elements
/// have 16 bits, whatever they mean.
struct Sm90Tensors {
  Rows<const uint16_t> narrow_rows, wide_rows, narrow_columns, wide_columns;
};
template <class T>
Rows<const uint16_t> bits_of(const Rows<T>& x) {
  return {reinterpret_cast<const uint16_t*>(x.data), x.batch, x.position, x.head, x.width, x.wide};
}

/// What maps are made of: the walks of a plan, and the rows that one copy brings.
struct Sm90Walks {
  const std::vector<Walk>& walks;
  const std::vector<Extents>& extents;
  int row_tile, column_tile;
};

/// `tensors` are those of each walk, and all their rows are `wide`. Throws Error(kInternal) when
/// the driver refuses.
Sm90Maps sm90_maps(const Sm90Walks& plan, const std::vector<Sm90Tensors>& tensors, int64_t batch,
                   int64_t heads);

}  // namespace lacuna::cuda::attention
