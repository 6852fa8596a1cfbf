#include "decay_marks.h"

#include <algorithm>

#include "lacuna/kernels/flat_range.h"

namespace lacuna::optim {

static_assert(nn::kAlignElements == kDecayGroup, "slices begin where a group begins");

Tensor decay_marks(const Queue& queue, const nn::ParameterStore& parameters) {
  std::vector<uint8_t> marks(static_cast<size_t>(parameters.flat_count() / kDecayGroup), 0);
  for (const nn::ParameterSlice& slice : parameters.slices()) {
    if (!slice.decays()) continue;
    const int64_t groups = (slice.count + kDecayGroup - 1) / kDecayGroup;
    std::fill_n(marks.begin() + slice.offset / kDecayGroup, groups, uint8_t{1});
  }
  const Tensor made = queue.zeros({static_cast<int64_t>(marks.size())}, DType::kU8);
  queue.upload(made, marks.data());
  return made;
}

View marks_of(const View& marks, int64_t begin, int64_t count) {
  return marks.slice(0, begin / kDecayGroup, (count + kDecayGroup - 1) / kDecayGroup);
}

}  // namespace lacuna::optim
