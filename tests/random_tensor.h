// Random inputs, and outputs whose surroundings are watched. The generator is the standard
// library's and not lacuna's, so that a fault of one cannot hide a fault of the other.
#pragma once

#include <algorithm>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "lacuna/tensor/tensor.h"

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}

  double uniform(double low, double high) {
    return low + (high - low) * static_cast<double>(engine_() >> 11) * 0x1p-53;
  }
  int64_t below(int64_t count) {
    return static_cast<int64_t>(engine_() % static_cast<uint64_t>(count));
  }
  uint64_t bits() { return engine_(); }

  template <class T>
  lacuna::Tensor tensor(const lacuna::Shape& shape, double low = -1, double high = 1) {
    lacuna::Tensor made = lacuna::Tensor::zeros(shape, lacuna::DTypeOf<T>::value);
    T* values = made.view().data<T>();
    for (int64_t i = 0; i < shape.count(); ++i) values[i] = static_cast<T>(uniform(low, high));
    return made;
  }

  /// i32 in [0, count).
  lacuna::Tensor tokens(const lacuna::Shape& shape, int64_t count) {
    lacuna::Tensor made = lacuna::Tensor::zeros(shape, lacuna::DType::kI32);
    for (int64_t i = 0; i < shape.count(); ++i) {
      made.view().data<int32_t>()[i] = static_cast<int32_t>(below(count));
    }
    return made;
  }

 private:
  std::mt19937_64 engine_;
};

/// The elements of a contiguous view.
template <class T>
std::vector<T> elements(const lacuna::View& view) {
  return {view.data<T>(), view.data<T>() + view.count()};
}

/// A tensor with memory of its own and the same elements.
template <class T>
lacuna::Tensor copy_of(const lacuna::View& view) {
  lacuna::Tensor made = lacuna::Tensor::zeros(view.shape(), view.dtype());
  std::copy(view.data<T>(), view.data<T>() + view.count(), made.view().data<T>());
  return made;
}

/// Memory for one output of a kernel: NaN inside, so that an element that is left out or read
/// before it is written shows, and a margin on both sides that nobody may touch.
template <class T>
class Guarded {
 public:
  explicit Guarded(const lacuna::Shape& shape)
      : shape_(shape), memory_(static_cast<size_t>(shape.count() + 2 * kMargin)) {
    std::memset(memory_.data(), kGuardByte, memory_.size() * sizeof(T));
    std::fill_n(memory_.data() + kMargin, shape.count(), std::numeric_limits<T>::quiet_NaN());
  }
  /// Holds a copy of `start`, for what is accumulated.
  explicit Guarded(const lacuna::View& start) : Guarded(start.shape()) {
    std::copy_n(start.data<T>(), start.count(), memory_.data() + kMargin);
  }

  lacuna::View view() { return {memory_.data() + kMargin, lacuna::DTypeOf<T>::value, shape_}; }
  operator lacuna::View() { return view(); }  // NOLINT: used where a contract wants a view
  std::vector<T> values() const { return {memory_.begin() + kMargin, memory_.end() - kMargin}; }

  bool intact() const {
    const auto whole = [](const T* from) {
      const auto* bytes = reinterpret_cast<const unsigned char*>(from);
      return std::all_of(bytes, bytes + kMargin * sizeof(T),
                         [](unsigned char byte) { return byte == kGuardByte; });
    };
    return whole(memory_.data()) && whole(memory_.data() + memory_.size() - kMargin);
  }

 private:
  static constexpr int64_t kMargin = 32;
  static constexpr unsigned char kGuardByte = 0xA5;
  lacuna::Shape shape_;
  std::vector<T> memory_;
};
