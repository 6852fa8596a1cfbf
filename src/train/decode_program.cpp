#include "lacuna/train/decode_program.h"

namespace lacuna::train {

DecodeProgram::DecodeProgram(const Queue& queue, const nn::Transformer& model, int64_t batch)
    : queue_(queue),
      model_(model),
      cache_(queue, model, batch),
      state_(queue.zeros({sizeof(DecodeState)}, DType::kU8)),
      tokens_(Tensor::zeros({batch, 1}, DType::kI32)),
      device_tokens_(queue.on_gpu() ? queue.zeros(tokens_.shape(), DType::kI32) : tokens_) {
  Queue dry = Queue::dry();
  Arena recorder;
  launch_model(dry, recorder);
  plan_ = recorder.plan();
  logits_ = {};
}

void DecodeProgram::run(int64_t position) {
  require(position >= 0 && position < model_.config().context, "DecodeProgram::run",
          "the position is not in the context");
  if (!arena_) arena_.emplace(queue_, plan_);
  const DecodeState state{position};
  queue_.upload(state_, &state);
  if (queue_.on_gpu()) queue_.upload(device_tokens_, tokens_.view().raw());
  step_.run(queue_, [&] {
    arena_->rewind();
    launch_model(queue_, *arena_);
  });
}

const View& DecodeProgram::logits() {
  host_logits_ = queue_.on_gpu() ? queue_.to_host(logits_.value) : logits_.value;
  return host_logits_.view();
}

MemoryUse DecodeProgram::memory() const {
  MemoryUse use = plan_.peak;
  use[MemoryTag::kWorkspace] += plan_.total - plan_.peak.total();
  use[MemoryTag::kInputs] += tokens_.view().bytes();
  use[MemoryTag::kCache] += cache_.bytes();
  return use;
}

void DecodeProgram::launch_model(Queue& queue, Arena& arena) {
  Tape tape(queue, arena, Tape::Mode::kEvaluate);
  logits_ = model_.decode(tape, device_tokens_, cache_,
                          static_cast<const DecodeState*>(state_.view().raw()));
}

}  // namespace lacuna::train
