#include "lacuna/train/decode_program.h"

namespace lacuna::train {

DecodeProgram::DecodeProgram(const nn::Transformer& model, int64_t batch)
    : model_(model), cache_(model, batch), tokens_(Tensor::zeros({batch, 1}, DType::kI32)) {
  Queue dry = Queue::dry();
  Arena recorder;
  pass(dry, recorder);
  plan_ = recorder.plan();
  logits_ = {};
}

void DecodeProgram::run(Queue& queue) {
  if (!arena_) arena_.emplace(plan_);
  arena_->rewind();
  pass(queue, *arena_);
}

MemoryUse DecodeProgram::memory() const {
  MemoryUse use = plan_.peak;
  use[MemoryTag::kWorkspace] += plan_.total - plan_.peak.total();
  use[MemoryTag::kInputs] += tokens_.view().bytes();
  use[MemoryTag::kCache] += cache_.bytes();
  return use;
}

void DecodeProgram::pass(Queue& queue, Arena& arena) {
  Tape tape(queue, arena, Tape::Mode::kEvaluate);
  logits_ = model_.decode(tape, tokens_, cache_, state_);
}

}  // namespace lacuna::train
