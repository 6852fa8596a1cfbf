#include "gradient_sum.h"

#include <algorithm>

#include "lacuna/base/text.h"
#include "lacuna/kernels/elementwise.h"
#include "lacuna/train/setup.h"

namespace lacuna::train {
namespace {

constexpr double kFirstBytes = 1e6;

BucketSizes sizes_of(const nn::ParameterStore& parameters, const GradientSumConfig& config) {
  const int64_t all = parameters.flat_count();
  if (config.parts || config.bucket_bytes <= 0) return {all, all};
  const auto elements = [&](double bytes) {
    return static_cast<int64_t>(bytes / static_cast<double>(size_of(parameters.dtype())));
  };
  return {elements(std::min(kFirstBytes, config.bucket_bytes)), elements(config.bucket_bytes)};
}

// Slices lie in reverse order of execution: before a block's first one lies what comes after it.
std::vector<int64_t> final_at(const nn::ParameterStore& parameters, int64_t layers) {
  std::vector<int64_t> ends(static_cast<size_t>(layers), parameters.used_count());
  for (int64_t layer = 0; layer < layers; ++layer) {
    const std::string block = str("blocks.", layer, ".");
    int64_t& end = ends[static_cast<size_t>(layer)];
    for (const nn::ParameterSlice& slice : parameters.slices()) {
      if (slice.name.starts_with(block)) end = std::min(end, slice.offset);
    }
  }
  return ends;
}

}  // namespace

GradientSumConfig gradient_sum_config(const Options& options, const World& world) {
  return {.bucket_bytes = options.dist.bucket * 1e6,
          .in_bf16 = options.dist.reduce == "bf16",
          .parts = optimizer_parts(options, world) > 1};
}

Tensor rounded_gradients(const Queue& queue, const nn::ParameterStore& parameters,
                         const GradientSumConfig& config) {
  return config.in_bf16 ? queue.zeros({parameters.flat_count()}, DType::kBF16) : Tensor();
}

GradientSum::GradientSum(const Queue& queue, Communicator& communicator,
                         const nn::ParameterStore& parameters, int64_t layers,
                         const GradientSumConfig& config)
    : queue_(queue),
      side_(queue.side()),
      communicator_(communicator),
      parameters_(parameters),
      final_(final_at(parameters, layers)),
      parts_(config.parts),
      buckets_(parameters.flat_count(), sizes_of(parameters, config)),
      rounded_(rounded_gradients(queue, parameters, config)),
      launched_(queue.make_event()),
      added_(queue.make_event()) {}

void GradientSum::ready(int64_t layer) {
  if (layer >= 0) return add(final_[static_cast<size_t>(layer)]);
  add(parameters_.flat_count());
  buckets_.restart();
  side_.record(*added_);
  queue_.wait_for(*added_);
}

void GradientSum::add(int64_t final) {
  const Buckets::Range range = buckets_.next(final);
  if (range.count == 0) return;
  queue_.record(*launched_);
  side_.wait_for(*launched_);
  const View gradients = parameters_.gradients().slice(0, range.begin, range.count);
  if (!rounded_.present()) return sum(gradients);
  const View rounded = rounded_.view().slice(0, range.begin, range.count);
  launch(side_, Convert{.x = gradients, .y = rounded});
  sum(rounded);
  launch(side_, Convert{.x = rounded, .y = gradients});
}

void GradientSum::sum(const View& x) {
  parts_ ? communicator_.reduce_scatter(side_, x) : communicator_.all_reduce(side_, x);
}

}  // namespace lacuna::train
