// A decoding program: a model run on one new position of each of a batch of sequences, with all of
// its memory planned beforehand and the keys and values of earlier positions kept in it.
#pragma once

#include "lacuna/nn/transformer.h"
#include "lacuna/train/planned.h"

namespace lacuna::train {

class DecodeProgram {
 public:
  /// Plans the memory of a step and of the cache and reserves it in `block`, which is taken with
  /// the first run(); without one the program makes its own. `model` must outlive the program.
  DecodeProgram(const Queue& queue, const nn::Transformer& model, int64_t batch,
                std::shared_ptr<SharedBlock> block = {});

  /// Host memory [B], to be filled before each run: the symbols before the position (at 0 they are
  /// not read).
  int32_t* tokens() { return planned_.tokens(); }
  int64_t batch() const { return planned_.batch(); }

  /// Decodes one position: from 0 on one after the other; at 0 new sequences begin. Throws
  /// Error(kInternal) for one beyond the context, and for any but 0 when another program of the
  /// block has run since the last one, which has overwritten the cache.
  void run(int64_t position);
  /// Zeroes the keys and values of all positions, so that any position may come next: for
  /// measurements. Only after a run.
  void clear_cache();

  /// Returns the logits of the last run, [B, 1, V] in f64 or f32 in host memory; waits for it.
  /// Valid until the next call. Throws Error(kInternal) when another program of the block has run
  /// since.
  const View& logits();

  /// What run() holds at its fullest, with the gaps that packing left as workspace, and the cache.
  MemoryUse memory() const;
  /// What it reserves in the block.
  size_t block_bytes() const { return planned_.block_bytes(); }

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
