// What a model's programs share: tokens in host memory and on the device, work whose memory is
// planned by a dry run and taken with the first real one, and results that come back to the host.
#pragma once

#include <functional>
#include <optional>

#include "lacuna/autograd/tape.h"
#include "lacuna/tensor/repeated.h"

namespace lacuna::train {

class Planned {
 public:
  /// What is run: it launches everything that one pass needs. Called with a dry queue first.
  using Launch = std::function<void(Queue& queue, Arena& arena)>;

  /// Tokens are [B, T] i32.
  Planned(const Queue& queue, const Shape& tokens);

  /// Plans the memory of a pass.
  void plan(const Launch& launch);
  /// Uploads the tokens and runs a pass, or replays what `recording` holds of it.
  void run(Repeated& recording, const Launch& launch);

  const Queue& queue() const { return queue_; }
  int32_t* tokens() { return tokens_.view().data<int32_t>(); }
  int64_t batch() const { return tokens_.shape()[0]; }
  /// Where the device reads them.
  const Tensor& device_tokens() const { return device_tokens_; }
  /// `result` in host memory, kept in `held`; waits for it.
  const View& to_host(const Tensor& result, Tensor& held);

  /// What run() holds at its fullest, with the gaps that packing left as workspace.
  MemoryUse memory() const;
  /// What the first run() allocates.
  size_t block_bytes() const { return plan_.total; }

 private:
  Queue queue_;
  Tensor tokens_, device_tokens_;
  MemoryPlan plan_;
  std::optional<Arena> arena_;
};

}  // namespace lacuna::train
