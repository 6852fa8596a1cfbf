// What a model's programs have in common: tokens in host memory and on the device, work whose
// memory is planned by a dry run and lies in a block that programs may share, and results that come
// back to the host.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "lacuna/autograd/tape.h"
#include "lacuna/tensor/repeated.h"

namespace lacuna::train {

class Planned {
 public:
  /// What is run: it launches everything that one pass needs. Called with a dry queue first.
  using Launch = std::function<void(Queue& queue, Arena& arena)>;

  /// Tokens are [B, T] i32, without memory where the queue is dry. `block` is one of the queue's
  /// device; without one, its own.
  Planned(const Queue& queue, const Shape& tokens, std::shared_ptr<SharedBlock> block);

  /// Plans the memory of a pass and reserves it in the block.
  void plan(const Launch& launch);
  /// Uploads the tokens and runs a pass, or replays what `recording` holds of it.
  void run(Repeated& recording, const Launch& launch);
  /// Whether what the last run left in the block is still there: no other program of the block has
  /// run since.
  bool is_last() const { return work_ > 0 && work_ == block_->last_work(); }

  const Queue& queue() const { return queue_; }
  int32_t* tokens() { return tokens_.view().data<int32_t>(); }
  int64_t batch() const { return tokens_.shape()[0]; }
  /// Where the device reads them.
  const Tensor& device_tokens() const { return device_tokens_; }
  /// A copy of a result of the last run in host memory, kept in `held`; waits for it. Throws
  /// Error(kInternal) unless is_last().
  const View& to_host(const Tensor& result, Tensor& held);

  /// What run() holds at its fullest, with the gaps that packing left as workspace.
  MemoryUse memory() const;
  /// What it reserves in the block.
  size_t block_bytes() const { return plan_.total; }

 private:
  Queue queue_;
  Tensor tokens_, device_tokens_;
  std::shared_ptr<SharedBlock> block_;
  int64_t work_ = 0;  // number of the last run in the block
  MemoryPlan plan_;
  std::optional<Arena> arena_;
};

}  // namespace lacuna::train
