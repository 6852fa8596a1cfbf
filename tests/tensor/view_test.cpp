#include "lacuna/tensor/view.h"

#include <numeric>

#include "../catch.h"
#include "../expect_error.h"
#include "lacuna/tensor/tensor.h"

using namespace lacuna;

namespace {

/// 0, 1, 2, ... in the order of memory.
Tensor counted(const Shape& shape) {
  Tensor made = Tensor::zeros(shape, DType::kI32);
  std::iota(made.view().data<int32_t>(), made.view().data<int32_t>() + shape.count(), 0);
  return made;
}

int32_t at(const View& view, const std::vector<int64_t>& index) {
  int64_t offset = 0;
  for (size_t dim = 0; dim < index.size(); ++dim) {
    offset += index[dim] * view.stride(static_cast<int>(dim));
  }
  return view.data<int32_t>()[offset];
}

}  // namespace

TEST_CASE("A shape knows its rank, count and text") {
  CHECK(Shape().rank() == 0);
  CHECK(Shape().count() == 1);
  const Shape shape{8, 128, 64};
  CHECK(shape.rank() == 3);
  CHECK(shape.count() == 8 * 128 * 64);
  CHECK(shape.back() == 64);
  CHECK(shape.text() == "[8, 128, 64]");
  CHECK(shape == Shape(std::vector<int64_t>{8, 128, 64}));
  CHECK_FALSE(shape == Shape{8, 128});
  CHECK_FALSE(shape == Shape{8, 128, 64, 1});
  CHECK(Shape{3, 0, 2}.count() == 0);
  expect_error(ErrorKind::kInternal, "four", [] { Shape{1, 2, 3, 4, 5}; });
}

TEST_CASE("A slice shows the indices from its beginning on, of any dimension") {
  const Tensor whole = counted({3, 4, 5});
  const View middle = whole.view().slice(1, 1, 2);
  CHECK(middle.shape() == Shape{3, 2, 5});
  CHECK_FALSE(middle.contiguous());
  for (int64_t i = 0; i < 3; ++i) {
    for (int64_t j = 0; j < 2; ++j) {
      for (int64_t k = 0; k < 5; ++k) CHECK(at(middle, {i, j, k}) == (i * 4 + j + 1) * 5 + k);
    }
  }
  const View last = middle.slice(0, 2, 1).slice(2, 4, 1);
  CHECK(at(last, {0, 0, 0}) == (2 * 4 + 1) * 5 + 4);
  CHECK(whole.view().slice(0, 1, 2).contiguous());
  CHECK(whole.view().slice(0, 3, 0).count() == 0);
}

TEST_CASE("A slice beyond the view is refused") {
  const Tensor whole = counted({3, 4});
  for (const auto& [dim, begin, count] :
       {std::tuple{0, 2, 2}, std::tuple{1, -1, 2}, std::tuple{1, 0, 5}, std::tuple{2, 0, 1},
        std::tuple{0, 0, -1}, std::tuple{0, 4, 0}}) {
    expect_error(ErrorKind::kInternal, "View::slice",
                 [&, d = dim, b = begin, c = count] { whole.view().slice(d, b, c); });
  }
}

TEST_CASE("The last dimension splits in two, also of a slice") {
  const Tensor fused = counted({2, 3, 12});
  const View part = fused.view().slice(2, 4, 6).split_last(3, 2);
  CHECK(part.shape() == Shape{2, 3, 3, 2});
  for (int64_t b = 0; b < 2; ++b) {
    for (int64_t t = 0; t < 3; ++t) {
      for (int64_t h = 0; h < 3; ++h) {
        for (int64_t d = 0; d < 2; ++d) {
          CHECK(at(part, {b, t, h, d}) == (b * 3 + t) * 12 + 4 + h * 2 + d);
        }
      }
    }
  }
  expect_error(ErrorKind::kInternal, "View::split_last", [&] { fused.view().split_last(5, 2); });
  expect_error(ErrorKind::kInternal, "View::split_last", [&] { part.split_last(1, 2); });
}

TEST_CASE("Only a contiguous view takes another shape, and only one of the same count") {
  const Tensor whole = counted({4, 6});
  const View other = whole.view().reshaped({2, 3, 4});
  CHECK(at(other, {1, 2, 3}) == 23);
  CHECK(at(other, {1, 0, 1}) == 13);
  expect_error(ErrorKind::kInternal, "View::reshaped", [&] { whole.view().reshaped({5, 5}); });
  expect_error(ErrorKind::kInternal, "View::reshaped",
               [&] { whole.view().slice(1, 0, 3).reshaped({12}); });
}

TEST_CASE("Elements are read as the type they are stored as, or not at all") {
  const Tensor whole = counted({2});
  expect_error(ErrorKind::kInternal, "another element type", [&] { whole.view().data<float>(); });
  CHECK_FALSE(View().present());
  CHECK(whole.present());
  CHECK(whole.view().bytes() == 8);
}

TEST_CASE("A view of planned memory has a shape and no address, whatever is cut from it") {
  const View planned(nullptr, DType::kF32, {4, 6});
  CHECK(planned.present());
  CHECK(planned.slice(0, 1, 2).slice(1, 3, 3).split_last(3, 1).raw() == nullptr);
}

TEST_CASE("The memory of a tensor is zero, aligned, and lives as long as any copy of it") {
  Tensor copy;
  {
    const Tensor whole = Tensor::zeros({5, 7}, DType::kF64);
    CHECK(reinterpret_cast<uintptr_t>(whole.view().raw()) % 64 == 0);
    for (int i = 0; i < 35; ++i) CHECK(whole.view().data<double>()[i] == 0);
    whole.view().data<double>()[34] = 3;
    copy = whole;
  }
  CHECK(copy.view().data<double>()[34] == 3);
}
