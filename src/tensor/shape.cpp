#include "lacuna/tensor/shape.h"

#include <algorithm>

#include "lacuna/base/error.h"

namespace lacuna {

Shape::Shape(std::initializer_list<int64_t> sizes) : Shape(std::vector<int64_t>(sizes)) {}

Shape::Shape(const std::vector<int64_t>& sizes) : rank_(static_cast<int>(sizes.size())) {
  require(sizes.size() <= kMaxRank, "Shape", "more than four dimensions");
  std::copy(sizes.begin(), sizes.end(), sizes_.begin());
}

int64_t Shape::count() const {
  int64_t product = 1;
  for (int dim = 0; dim < rank_; ++dim) product *= (*this)[dim];
  return product;
}

std::string Shape::text() const {
  std::string out = "[";
  for (int dim = 0; dim < rank_; ++dim) {
    out += (dim == 0 ? "" : ", ") + std::to_string((*this)[dim]);
  }
  return out + "]";
}

bool Shape::operator==(const Shape& other) const {
  return sizes() == other.sizes();
}

}  // namespace lacuna
