// What decoding keeps of a batch of sequences: for every layer the keys and values that a later
// position can still read, and nothing else.
#pragma once

#include <vector>

#include "lacuna/ops/decode.h"

namespace lacuna::nn {

class Transformer;

class DecodeCache {
 public:
  /// Takes memory of the queue's device, for `batch` sequences at once, in the type of the model's
  /// activations. `model` must outlive the cache.
  DecodeCache(const Queue& queue, const Transformer& model, int64_t batch);
  // Its layers point into it.
  DecodeCache(const DecodeCache&) = delete;
  DecodeCache& operator=(const DecodeCache&) = delete;

  const ops::LayerCache& layer(int64_t layer) const { return layers_[static_cast<size_t>(layer)]; }
  size_t bytes() const;

 private:
  std::vector<HeadSlots> slots_;  // per entry of config.attention
  std::vector<Tensor> memory_;
  std::vector<ops::LayerCache> layers_;
};

}  // namespace lacuna::nn
