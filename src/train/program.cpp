#include "lacuna/train/program.h"

namespace lacuna::train {

Program::Program(const nn::Transformer& model, int64_t batch, Tape::Mode mode,
                 double gradient_scale)
    : mode_(mode),
      gradient_scale_(gradient_scale),
      tokens_(Tensor::zeros({batch, model.config().context}, DType::kI32)) {
  Queue dry = Queue::dry();
  Arena recorder;
  pass(dry, recorder, model);
  plan_ = recorder.plan();
  losses_ = {};
  logits_ = {};
}

void Program::run(Queue& queue, const nn::Transformer& model) {
  if (!arena_) arena_.emplace(plan_);
  arena_->rewind();
  pass(queue, *arena_, model);
}

MemoryUse Program::memory() const {
  MemoryUse use = plan_.peak;
  use[MemoryTag::kWorkspace] += plan_.total - plan_.peak.total();
  use[MemoryTag::kInputs] += tokens_.view().bytes();
  return use;
}

// Results stay in members, so that the plan keeps their memory free of anything else.
void Program::pass(Queue& queue, Arena& arena, const nn::Transformer& model) {
  Tape tape(queue, arena, mode_);
  logits_ = model.logits(tape, tokens_, state_);
  losses_ = ops::cross_entropy(tape, logits_, tokens_, gradient_scale_);
  if (tape.training()) {
    logits_ = {};
    tape.backward();
  }
}

}  // namespace lacuna::train
