#include "lacuna/tensor/view.h"

namespace lacuna {
namespace {

Shape contiguous_strides(const Shape& shape) {
  Shape strides = shape;
  int64_t step = 1;
  for (int dim = shape.rank() - 1; dim >= 0; --dim) {
    strides[dim] = step;
    step *= shape[dim];
  }
  return strides;
}

}  // namespace

View::View(void* data, DType dtype, const Shape& shape)
    : data_(data), dtype_(dtype), shape_(shape), strides_(contiguous_strides(shape)) {}

bool View::contiguous() const {
  const Shape expected = contiguous_strides(shape_);
  for (int dim = 0; dim < shape_.rank(); ++dim) {
    if (shape_[dim] > 1 && strides_[dim] != expected[dim]) return false;
  }
  return true;
}

View View::slice(int dim, int64_t begin, int64_t count) const {
  require(dim < shape_.rank() && begin >= 0 && count >= 0 && begin + count <= shape_[dim],
          "View::slice", "a slice beyond the view");
  View part = *this;
  part.shape_[dim] = count;
  if (data_ != nullptr) {
    part.data_ = static_cast<std::byte*>(data_) +
                 begin * strides_[dim] * static_cast<int64_t>(size_of(dtype_));
  }
  return part;
}

View View::reshaped(const Shape& shape) const {
  require(contiguous() && shape.count() == count(), "View::reshaped",
          "only a contiguous view can take another shape of the same count");
  return {data_, dtype_, shape};
}

View View::split_last(int64_t outer, int64_t inner) const {
  const int last = shape_.rank() - 1;
  require(outer * inner == shape_[last] && shape_.rank() < Shape::kMaxRank, "View::split_last",
          "the parts do not make up the dimension");
  std::vector<int64_t> sizes = shape_.sizes();
  std::vector<int64_t> strides = strides_.sizes();
  sizes.back() = outer;
  sizes.push_back(inner);
  strides.push_back(strides.back());
  strides[static_cast<size_t>(last)] *= inner;
  View parts = *this;
  parts.shape_ = Shape(sizes);
  parts.strides_ = Shape(strides);
  return parts;
}

}  // namespace lacuna
