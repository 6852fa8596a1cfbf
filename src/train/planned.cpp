#include "lacuna/train/planned.h"

#include <utility>

namespace lacuna::train {

Planned::Planned(const Queue& queue, const Shape& tokens, std::shared_ptr<SharedBlock> block)
    : queue_(queue),
      tokens_(queue.is_dry() ? queue.zeros(tokens, DType::kI32)
                             : Tensor::zeros(tokens, DType::kI32)),
      device_tokens_(queue.on_gpu() ? queue.zeros(tokens, DType::kI32) : tokens_),
      block_(block ? std::move(block) : std::make_shared<SharedBlock>(queue)) {}

void Planned::plan(const Launch& launch) {
  Queue dry = Queue::dry();
  Arena recorder;
  launch(dry, recorder);
  plan_ = recorder.plan();
  block_->reserve(plan_.total);
}

void Planned::run(Repeated& recording, const Launch& launch) {
  if (!arena_) arena_.emplace(block_, plan_);
  work_ = block_->begin_work();
  if (queue_.on_gpu()) queue_.upload(device_tokens_, tokens_.view().raw());
  recording.run(queue_, [&] {
    arena_->rewind();
    launch(queue_, *arena_);
  });
}

const View& Planned::to_host(const Tensor& result, Tensor& held) {
  require(is_last(), "Planned::to_host", "another program has run in the memory of this one");
  if (!held.present()) held = Tensor::zeros(result.shape(), result.dtype());
  queue_.read(result, held.view().raw());
  return held.view();
}

MemoryUse Planned::memory() const {
  MemoryUse use = plan_.peak;
  use[MemoryTag::kWorkspace] += plan_.total - plan_.peak.total();
  use[MemoryTag::kInputs] += tokens_.view().bytes();
  return use;
}

}  // namespace lacuna::train
