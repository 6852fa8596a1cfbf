#include "lacuna/nn/decode_cache.h"

#include "lacuna/nn/transformer.h"

namespace lacuna::nn {

DecodeCache::DecodeCache(const Transformer& model, int64_t batch) : model_(model), batch_(batch) {
  const ModelConfig& config = model.config();
  for (size_t entry = 0; entry < config.attention.size(); ++entry) {
    slots_.push_back(sparse::head_slots(model.passes(static_cast<int64_t>(entry)), config.context));
  }
}

void DecodeCache::place(Arena& arena) {
  const ModelConfig& config = model_.config();
  memory_.clear();
  layers_.clear();
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    const HeadSlots& slots = slots_[static_cast<size_t>(layer) % slots_.size()];
    const auto rows = [&](int64_t width) {
      const Shape shape{batch_, config.heads, sparse::most_slots(slots), width / config.heads};
      return memory_.emplace_back(arena.allocate(shape, model_.dtype(), MemoryTag::kCache)).view();
    };
    const View keys = rows(config.qk_width), values = rows(config.width);
    layers_.push_back({keys, values, &model_.passes(layer), &slots});
  }
}

void DecodeCache::clear(const Queue& queue) const {
  for (const Tensor& tensor : memory_) queue.fill(tensor, 0);
}

size_t DecodeCache::bytes() const {
  size_t sum = 0;
  for (const Tensor& tensor : memory_) sum += tensor.view().bytes();
  return sum;
}

}  // namespace lacuna::nn
