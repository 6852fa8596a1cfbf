#include "lacuna/nn/decode_cache.h"

#include "lacuna/nn/transformer.h"

namespace lacuna::nn {

DecodeCache::DecodeCache(const Queue& queue, const Transformer& model, int64_t batch) {
  const ModelConfig& config = model.config();
  for (size_t entry = 0; entry < config.attention.size(); ++entry) {
    slots_.push_back(sparse::head_slots(model.passes(static_cast<int64_t>(entry)), config.context));
  }
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    const HeadSlots& slots = slots_[static_cast<size_t>(layer) % slots_.size()];
    const auto rows = [&](int64_t width) {
      const Shape shape{batch, config.heads, sparse::most_slots(slots), width / config.heads};
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
