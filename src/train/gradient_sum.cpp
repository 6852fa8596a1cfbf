#include "gradient_sum.h"

#include <algorithm>

#include "lacuna/base/text.h"

namespace lacuna::train {
namespace {

constexpr int64_t kFirstBytes = 1 << 20, kOtherBytes = 25 << 20;

BucketSizes sizes_of(DType dtype) {
  const auto element = static_cast<int64_t>(size_of(dtype));
  return {kFirstBytes / element, kOtherBytes / element};
}

// Slices lie in reverse order of execution: before a block's first one lies what comes after it.
std::vector<int64_t> final_at(const nn::ParameterStore& parameters, int64_t layers) {
  std::vector<int64_t> ends(static_cast<size_t>(layers), parameters.used_count());
  for (const nn::ParameterSlice& slice : parameters.slices()) {
    for (int64_t layer = 0; layer < layers; ++layer) {
      if (!slice.name.starts_with(str("blocks.", layer, "."))) continue;
      int64_t& end = ends[static_cast<size_t>(layer)];
      end = std::min(end, slice.offset);
    }
  }
  return ends;
}

}  // namespace

GradientSum::GradientSum(const Queue& queue, Communicator& communicator,
                         const nn::ParameterStore& parameters, int64_t layers)
    : queue_(queue),
      side_(queue.side()),
      communicator_(communicator),
      parameters_(parameters),
      final_(final_at(parameters, layers)),
      buckets_(parameters.flat_count(), sizes_of(parameters.dtype())),
      launched_(queue.make_event()),
      added_(queue.make_event()) {}

void GradientSum::ready(int64_t layer) {
  if (layer < 0) return finish();
  if (layer + 1 == static_cast<int64_t>(final_.size())) buckets_.restart();
  add(final_[static_cast<size_t>(layer)]);
}

void GradientSum::finish() {
  add(parameters_.flat_count());
  side_.record(*added_);
  queue_.wait_for(*added_);
}

void GradientSum::add(int64_t final) {
  const Buckets::Range range = buckets_.next(final);
  if (range.count == 0) return;
  queue_.record(*launched_);
  side_.wait_for(*launched_);
  communicator_.all_reduce(side_, parameters_.gradients().slice(0, range.begin, range.count));
}

}  // namespace lacuna::train
