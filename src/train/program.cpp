#include "lacuna/train/program.h"

namespace lacuna::train {

Program Program::evaluation(const Queue& queue, const nn::Transformer& model, int64_t batch) {
  return {queue, model, batch, Tape::Mode::kEvaluate, 1, nullptr};
}

Program Program::training(const Queue& queue, const nn::Transformer& model, int64_t batch,
                          double gradient_scale, StepState* state) {
  return {queue, model, batch, Tape::Mode::kTrain, gradient_scale, state};
}

Program::Program(const Queue& queue, const nn::Transformer& model, int64_t batch, Tape::Mode mode,
                 double gradient_scale, StepState* state)
    : queue_(queue),
      mode_(mode),
      gradient_scale_(gradient_scale),
      state_(state),
      tokens_(Tensor::zeros({batch, model.config().context}, DType::kI32)),
      device_tokens_(queue.on_gpu() ? queue.zeros(tokens_.shape(), DType::kI32) : tokens_) {
  Queue dry = Queue::dry();
  Arena recorder;
  launch_model(dry, recorder, model);
  plan_ = recorder.plan();
  losses_ = {};
  logits_ = {};
}

void Program::run(const nn::Transformer& model) {
  if (!arena_) arena_.emplace(queue_, plan_);
  if (queue_.on_gpu()) queue_.upload(device_tokens_, tokens_.view().raw());
  recordings_[&model].run(queue_, [&] {
    arena_->rewind();
    launch_model(queue_, *arena_, model);
  });
}

const double* Program::losses() {
  host_losses_ = queue_.on_gpu() ? queue_.to_host(losses_) : losses_;
  return host_losses_.view().data<double>();
}

const View& Program::logits() {
  host_logits_ = queue_.on_gpu() ? queue_.to_host(logits_.value) : logits_.value;
  return host_logits_.view();
}

MemoryUse Program::memory() const {
  MemoryUse use = plan_.peak;
  use[MemoryTag::kWorkspace] += plan_.total - plan_.peak.total();
  use[MemoryTag::kInputs] += tokens_.view().bytes();
  return use;
}

// Results stay in members, so that the plan keeps their memory free of anything else.
void Program::launch_model(Queue& queue, Arena& arena, const nn::Transformer& model) {
  Tape tape(queue, arena, mode_);
  logits_ = model.logits(tape, device_tokens_, state_);
  losses_ =
      ops::cross_entropy(tape, logits_, device_tokens_, gradient_scale_, state_, model.dtype());
  if (!tape.training()) return;
  logits_ = {};
  launch(queue, AddLosses{.losses = losses_, .state = state_});
  tape.backward();
}

}  // namespace lacuna::train
