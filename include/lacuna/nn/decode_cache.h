// What decoding keeps of a batch of sequences: for every layer the keys and values that a later
// position can still read, and nothing else.
#pragma once

#include <vector>

#include "lacuna/ops/decode.h"
#include "lacuna/tensor/memory.h"

namespace lacuna::nn {

class Transformer;

class DecodeCache {
 public:
  /// For `batch` sequences at once, in the type of the model's activations. It has no memory yet.
  /// `model` must outlive the cache.
  DecodeCache(const Transformer& model, int64_t batch);
  // Its layers point into it.
  DecodeCache(const DecodeCache&) = delete;
  DecodeCache& operator=(const DecodeCache&) = delete;

  /// Takes memory of the arena, to be called first in each of its runs. It holds on to it: so the
  /// plan gives the memory to nothing else, and what one run stores is there for the next.
  void place(Arena& arena);
  /// Zeroes the memory.
  void clear(const Queue& queue) const;

  const ops::LayerCache& layer(int64_t layer) const { return layers_[static_cast<size_t>(layer)]; }
  size_t bytes() const;

 private:
  const Transformer& model_;
  int64_t batch_;
  std::vector<HeadSlots> slots_;  // per entry of config.attention
  std::vector<Tensor> memory_;
  std::vector<ops::LayerCache> layers_;
};

}  // namespace lacuna::nn
