#include "lacuna/train/program.h"

#include <utility>

namespace lacuna::train {

Program Program::evaluation(const Queue& queue, const nn::Transformer& model, int64_t batch,
                            std::shared_ptr<SharedBlock> block) {
  return {queue, model, batch, Tape::Mode::kForward, 1, nullptr, {}, std::move(block)};
}

Program Program::training(const Queue& queue, const nn::Transformer& model, int64_t batch,
                          double gradient_scale, StepState* state, const nn::KeptByBlock& kept,
                          std::shared_ptr<SharedBlock> block) {
  return {queue, model, batch, Tape::Mode::kRecord, gradient_scale, state, kept, std::move(block)};
}

Program::Program(const Queue& queue, const nn::Transformer& model, int64_t batch, Tape::Mode mode,
                 double gradient_scale, StepState* state, const nn::KeptByBlock& kept,
                 std::shared_ptr<SharedBlock> block)
    : planned_(queue, {batch, model.config().context}, std::move(block)),
      mode_(mode),
      gradient_scale_(gradient_scale),
      state_(state),
      kept_(kept) {
  planned_.plan([&](Queue& dry, Arena& recorder) { launch_model(dry, recorder, model); });
  losses_ = {};
  logits_ = {};
}

void Program::run(const nn::Transformer& model, const nn::GradientsReady& ready) {
  planned_.run(recordings_[{&model, ready != nullptr}],
               [&](Queue& queue, Arena& arena) { launch_model(queue, arena, model, ready); });
}

const double* Program::losses() {
  return planned_.to_host(losses_, host_losses_).data<double>();
}

const View& Program::logits() {
  return planned_.to_host(logits_.value, host_logits_);
}

// Results stay in members, so that the plan keeps their memory free of anything else.
void Program::launch_model(Queue& queue, Arena& arena, const nn::Transformer& model,
                           const nn::GradientsReady& ready) {
  Tape tape(queue, arena, mode_);
  logits_ = model.logits(tape, planned_.device_tokens(), state_, kept_, ready);
  losses_ = ops::cross_entropy(tape, logits_, planned_.device_tokens(), gradient_scale_, state_,
                               model.dtype());
  if (!tape.records()) return;
  logits_ = {};
  launch(queue, AddLosses{.losses = losses_, .state = state_});
  tape.backward();
  if (ready) ready(-1);
}

}  // namespace lacuna::train
