// A decoding program: a model run on one new position of each of a batch of sequences, with all of
// its memory planned beforehand and the keys and values of earlier positions kept.
#pragma once

#include <optional>

#include "lacuna/nn/transformer.h"

namespace lacuna::train {

class DecodeProgram {
 public:
  /// Plans the memory of a step and takes that of the cache. `model` must outlive the program.
  DecodeProgram(const nn::Transformer& model, int64_t batch);

  /// [B], to be filled before each run: the symbols before the position (at 0 they are not read).
  int32_t* tokens() { return tokens_.view().data<int32_t>(); }
  /// The position that the next run decodes. From 0 on one after the other; at 0 new sequences
  /// begin.
  DecodeState& state() { return state_; }
  int64_t batch() const { return tokens_.shape()[0]; }

  void run(Queue& queue);

  /// Of the last run, [B, 1, V].
  const View& logits() const { return logits_.value; }

  /// What run() holds at its fullest, with the gaps that packing left as workspace, and the cache.
  MemoryUse memory() const;

 private:
  void pass(Queue& queue, Arena& arena);

  const nn::Transformer& model_;
  nn::DecodeCache cache_;
  DecodeState state_;
  Tensor tokens_;
  MemoryPlan plan_;
  std::optional<Arena> arena_;
  Variable logits_;
};

}  // namespace lacuna::train
