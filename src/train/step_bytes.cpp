#include "lacuna/train/step_bytes.h"

#include "lacuna/kernels/step_state.h"

namespace lacuna::train {
namespace {

std::unique_ptr<optim::Optimizer> dry_optimizer(const DryModel& dry,
                                                const optim::OptimizerConfig& config) {
  Queue queue = Queue::dry();
  return make_optimizer(queue, config, dry.parameters());
}

// As the programs of train/program.h launch it: an evaluation holds its results to the end.
MemoryPlan plan_pass(const nn::Transformer& model, int64_t batch, Tape::Mode mode,
                     const nn::KeptByBlock& kept) {
  Queue queue = Queue::dry();
  Arena recorder;
  const View tokens(nullptr, DType::kI32, {batch, model.config().context});
  StepState state;
  Tape tape(queue, recorder, mode);
  Variable logits = model.logits(tape, tokens, tape.records() ? &state : nullptr, kept);
  const Tensor losses = ops::cross_entropy(tape, logits, tokens, 1, &state, model.dtype());
  if (tape.records()) {
    logits = {};
    tape.backward();
  }
  return recorder.plan();
}

}  // namespace

DryModel::DryModel(const nn::ModelConfig& config, DType dtype)
    : parameters_(Queue::dry(), parameter_specs(config), dtype, true),
      model_(config, parameters_) {}

MemoryPlan plan_step(const nn::Transformer& model, int64_t batch, const nn::KeptByBlock& kept) {
  return plan_pass(model, batch, Tape::Mode::kRecord, kept);
}

MemoryPlan plan_evaluation(const nn::Transformer& model, int64_t batch) {
  return plan_pass(model, batch, Tape::Mode::kForward, {});
}

MemoryUse held_in_training(const DryModel& dry, int64_t batch,
                           const optim::OptimizerConfig& optimizer, bool average) {
  const nn::ParameterStore& store = dry.parameters();
  MemoryUse use;
  const View tokens(nullptr, DType::kI32, {batch, dry.model().config().context});
  use[MemoryTag::kInputs] += 2 * tokens.bytes();  // of training and of evaluation
  use[MemoryTag::kParameters] += store.values().bytes();
  use[MemoryTag::kGradients] += store.gradients().bytes();
  use[MemoryTag::kOptimizer] += dry_optimizer(dry, optimizer)->bytes();
  if (average) use[MemoryTag::kAverages] += store.values().bytes();
  if (store.rounded().present()) {
    use[MemoryTag::kRounded] += (average ? 2 : 1) * store.rounded().bytes();
  }
  return use;
}

size_t checkpoint_bytes(const DryModel& dry, const optim::OptimizerConfig& optimizer,
                        bool average) {
  size_t weights = 0;  // without the padding between them
  for (const nn::ParameterSlice& slice : dry.parameters().slices()) {
    weights += static_cast<size_t>(slice.count);
  }
  size_t bytes = (average ? 2 : 1) * weights * size_of(dry.parameters().dtype());
  for (const auto& [name, buffer] : dry_optimizer(dry, optimizer)->buffers()) {
    bytes += weights * size_of(buffer.dtype());
  }
  return bytes;
}

}  // namespace lacuna::train
