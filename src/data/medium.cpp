#include "lacuna/data/medium.h"

#include <functional>
#include <numeric>

namespace lacuna {

int64_t Medium::sample_size() const {
  const std::vector<int64_t> sizes = shape();
  if (sizes.empty()) return 0;
  return std::accumulate(sizes.begin(), sizes.end(), int64_t{1}, std::multiplies<>());
}

}  // namespace lacuna
