#include <algorithm>

#include "lacuna/train/setup.h"

namespace lacuna::train {

SampleConfig sample_config(const Options& options, const Medium& medium) {
  const int64_t count = medium.has_sheet() ? options.train.sample_count : 1;
  const bool free = medium.sample_size() == 0 && options.train.sample_length > 0;
  return {
      .length = free ? options.train.sample_length : default_length(medium, options.model.context),
      .count = count,
      .batch = std::min(count, options.train.batch),  // what training has room for
      .seed = static_cast<uint64_t>(options.train.seed),
      .alignment = medium.unit().symbols};
}

}  // namespace lacuna::train
