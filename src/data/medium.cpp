#include "lacuna/data/medium.h"

#include <functional>
#include <numeric>

namespace lacuna {

int64_t Medium::sample_size() const {
  const std::vector<int64_t> sizes = shape();
  if (sizes.empty()) return 0;
  return std::accumulate(sizes.begin(), sizes.end(), int64_t{1}, std::multiplies<>());
}

bool Medium::has_sheet() const {
  return !sheet(std::vector<std::vector<int32_t>>(1)).empty();
}

}  // namespace lacuna
