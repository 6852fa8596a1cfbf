#include "lacuna/nn/decode_cache.h"

#include <algorithm>

#include "lacuna/nn/transformer.h"

namespace lacuna::nn {
namespace {

HeadSlots slots_of(const HeadPasses& passes, int64_t length) {
  HeadSlots slots;
  for (const auto& of_head : passes) slots.push_back(sparse::cache_slots(of_head, length));
  return slots;
}

}  // namespace

DecodeCache::DecodeCache(const Queue& queue, const Transformer& model, int64_t batch) {
  const ModelConfig& config = model.config();
  for (size_t entry = 0; entry < config.attention.size(); ++entry) {
    slots_.push_back(slots_of(model.passes(static_cast<int64_t>(entry)), config.context));
  }
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    const HeadSlots& slots = slots_[static_cast<size_t>(layer) % slots_.size()];
    int64_t most = 0;
    for (const sparse::CacheSlots& of_head : slots) most = std::max(most, of_head.count);
    const auto rows = [&](int64_t width) {
      const Shape shape{batch, config.heads, most, width / config.heads};
      return memory_.emplace_back(queue.zeros(shape, model.dtype())).view();
    };
    const View keys = rows(config.qk_width), values = rows(config.width);
    layers_.push_back({keys, values, &model.passes(layer), &slots});
  }
}

size_t DecodeCache::bytes() const {
  size_t sum = 0;
  for (const Tensor& tensor : memory_) sum += tensor.view().bytes();
  return sum;
}

}  // namespace lacuna::nn
