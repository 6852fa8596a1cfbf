// A view: a pointer with a type, a shape and strides. Owns nothing; the memory must outlive it.
#pragma once

#include "lacuna/base/error.h"
#include "lacuna/tensor/dtype.h"
#include "lacuna/tensor/shape.h"

namespace lacuna {

class View {
 public:
  /// Absent: what an optional field of a contract holds when it is not given.
  View() = default;
  /// Contiguous, outermost dimension first. `data` is null while memory is being planned.
  View(void* data, DType dtype, const Shape& shape);

  bool present() const { return shape_.rank() > 0; }
  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  int64_t size(int dim) const { return shape_[dim]; }
  /// Elements from one index of `dim` to the next.
  int64_t stride(int dim) const { return strides_[dim]; }
  int64_t count() const { return shape_.count(); }
  size_t bytes() const { return static_cast<size_t>(count()) * size_of(dtype_); }
  bool contiguous() const;

  /// Indices [begin, begin + count) of one dimension.
  View slice(int dim, int64_t begin, int64_t count) const;
  /// The same elements under another shape; only for contiguous views.
  View reshaped(const Shape& shape) const;
  /// Splits the innermost dimension in two: [.., a*b] -> [.., a, b]. Strides of the others are
  /// kept.
  View split_last(int64_t outer, int64_t inner) const;

  /// The elements, checked against the stored type.
  template <class T>
  T* data() const {
    require(DTypeOf<T>::value == dtype_, "View::data", "a view read as another element type");
    return static_cast<T*>(data_);
  }
  void* raw() const { return data_; }

 private:
  void* data_ = nullptr;
  DType dtype_ = DType::kF32;
  Shape shape_;
  Shape strides_;
};

}  // namespace lacuna
