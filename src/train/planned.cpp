#include "lacuna/train/planned.h"

namespace lacuna::train {

Planned::Planned(const Queue& queue, const Shape& tokens)
    : queue_(queue),
      tokens_(Tensor::zeros(tokens, DType::kI32)),
      device_tokens_(queue.on_gpu() ? queue.zeros(tokens, DType::kI32) : tokens_) {}

void Planned::plan(const Launch& launch) {
  Queue dry = Queue::dry();
  Arena recorder;
  launch(dry, recorder);
  plan_ = recorder.plan();
}

void Planned::run(Repeated& recording, const Launch& launch) {
  if (!arena_) arena_.emplace(queue_, plan_);
  if (queue_.on_gpu()) queue_.upload(device_tokens_, tokens_.view().raw());
  recording.run(queue_, [&] {
    arena_->rewind();
    launch(queue_, *arena_);
  });
}

const View& Planned::to_host(const Tensor& result, Tensor& held) {
  held = queue_.on_gpu() ? queue_.to_host(result) : result;
  return held.view();
}

MemoryUse Planned::memory() const {
  MemoryUse use = plan_.peak;
  use[MemoryTag::kWorkspace] += plan_.total - plan_.peak.total();
  use[MemoryTag::kInputs] += tokens_.view().bytes();
  return use;
}

}  // namespace lacuna::train
