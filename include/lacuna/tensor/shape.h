// Sizes of up to four dimensions, outermost first.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

namespace lacuna {

class Shape {
 public:
  static constexpr int kMaxRank = 4;

  Shape() = default;
  Shape(std::initializer_list<int64_t> sizes);
  explicit Shape(const std::vector<int64_t>& sizes);

  int rank() const { return rank_; }
  int64_t operator[](int dim) const { return sizes_[static_cast<size_t>(dim)]; }
  int64_t& operator[](int dim) { return sizes_[static_cast<size_t>(dim)]; }
  int64_t back() const { return (*this)[rank_ - 1]; }
  /// Product of all sizes; 1 for rank 0.
  int64_t count() const;
  std::vector<int64_t> sizes() const { return {sizes_.begin(), sizes_.begin() + rank_}; }
  /// "[8, 128, 64]".
  std::string text() const;
  bool operator==(const Shape& other) const;

 private:
  std::array<int64_t, kMaxRank> sizes_{};
  int rank_ = 0;
};

}  // namespace lacuna
