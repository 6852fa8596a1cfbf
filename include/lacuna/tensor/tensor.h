// A tensor: a view that shares ownership of its memory.
#pragma once

#include <memory>
#include <utility>

#include "lacuna/tensor/view.h"

namespace lacuna {

class Tensor {
 public:
  /// Absent.
  Tensor() = default;
  /// `owner` is released with the last tensor that shares the memory.
  Tensor(View view, std::shared_ptr<const void> owner) : view_(view), owner_(std::move(owner)) {}

  /// Own host memory, zeroed, aligned to 64 bytes. Throws Error(kConfig) with the bytes that the
  /// process can still get when there is not enough.
  static Tensor zeros(const Shape& shape, DType dtype);

  const View& view() const { return view_; }
  operator const View&() const { return view_; }  // NOLINT: a tensor is used as the view it has
  bool present() const { return view_.present(); }
  const Shape& shape() const { return view_.shape(); }
  DType dtype() const { return view_.dtype(); }

 private:
  View view_;
  std::shared_ptr<const void> owner_;
};

}  // namespace lacuna
