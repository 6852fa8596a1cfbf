// A program: a model run on one fixed shape, with all of its memory planned beforehand.
#pragma once

#include <map>
#include <memory>
#include <utility>

#include "lacuna/nn/transformer.h"
#include "lacuna/train/planned.h"

namespace lacuna::train {

class Program {
 public:
  /// Runs forward only. The memory is planned and reserved in `block` here, and the block is taken
  /// with the first run(); without one the program makes its own. Programs that share a block
  /// overwrite each other's results.
  static Program evaluation(const Queue& queue, const nn::Transformer& model, int64_t batch,
                            std::shared_ptr<SharedBlock> block = {});
  /// Runs forward and backward, accumulates the gradient of gradient_scale * loss_scale *
  /// sum(losses) and adds the losses to the state, which lies on the device and must outlive it.
  /// `kept` says what the blocks keep for the backward pass.
  static Program training(const Queue& queue, const nn::Transformer& model, int64_t batch,
                          double gradient_scale, StepState* state, const nn::KeptByBlock& kept = {},
                          std::shared_ptr<SharedBlock> block = {});

  /// Host memory [B, T], to be filled before each run with tokens in [0, V).
  int32_t* tokens() { return planned_.tokens(); }
  int64_t batch() const { return planned_.batch(); }

  /// `model` has the configuration of the one that was planned for; its weights may differ, and
  /// must be there already for this program's queue. It must outlive the program. `ready` may be
  /// empty; what it launches becomes part of the pass.
  void run(const nn::Transformer& model, const nn::GradientsReady& ready = {});

  /// Returns the losses of the last run in nats, [B*T]; waits for it. Valid until the next call.
  /// Throws Error(kInternal) when another program of the block has run since; so does logits().
  const double* losses();
  /// Returns the logits of the last run, [B, T, V] in f64 or f32 in host memory; waits for it.
  /// Valid until the next call. Only in evaluation.
  const View& logits();

  /// What run() holds at its fullest, with the gaps that packing left as workspace.
  MemoryUse memory() const { return planned_.memory(); }
  /// What it reserves in the block.
  size_t block_bytes() const { return planned_.block_bytes(); }

 private:
  Program(const Queue& queue, const nn::Transformer& model, int64_t batch, Tape::Mode mode,
          double gradient_scale, StepState* state, const nn::KeptByBlock& kept,
          std::shared_ptr<SharedBlock> block);
  void launch_model(Queue& queue, Arena& arena, const nn::Transformer& model,
                    const nn::GradientsReady& ready = {});

  Planned planned_;
  Tape::Mode mode_;
  double gradient_scale_;
  StepState* state_;
  nn::KeptByBlock kept_;
  std::map<std::pair<const nn::Transformer*, bool>, Repeated> recordings_;  // bool: with `ready`
  Tensor losses_, host_losses_;
  Variable logits_;
  Tensor host_logits_;
};

}  // namespace lacuna::train
