// A decoding program: a model run on one new position of each of a batch of sequences, with all of
// its memory planned beforehand and the keys and values of earlier positions kept.
#pragma once

#include "lacuna/nn/transformer.h"
#include "lacuna/train/planned.h"

namespace lacuna::train {

class DecodeProgram {
 public:
  /// Plans the memory of a step and takes that of the cache. `model` must outlive the program.
  DecodeProgram(const Queue& queue, const nn::Transformer& model, int64_t batch);

  /// Host memory [B], to be filled before each run: the symbols before the position (at 0 they are
  /// not read).
  int32_t* tokens() { return planned_.tokens(); }
  int64_t batch() const { return planned_.batch(); }

  /// Decodes one position: from 0 on one after the other; at 0 new sequences begin. Throws
  /// Error(kInternal) for one beyond the context.
  void run(int64_t position);

  /// Returns the logits of the last run, [B, 1, V] in f64 or f32 in host memory; waits for it.
  /// Valid until the next call.
  const View& logits();

  /// What run() holds at its fullest, with the gaps that packing left as workspace, and the cache.
  MemoryUse memory() const;

 private:
  void launch_model(Queue& queue, Arena& arena);

  Planned planned_;
  const nn::Transformer& model_;
  nn::DecodeCache cache_;
  Tensor state_;  // one DecodeState
  Repeated step_;
  Variable logits_;
  Tensor host_logits_;
};

}  // namespace lacuna::train
