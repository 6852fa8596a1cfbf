#include "lacuna/train/dry_trainer.h"

#include <algorithm>
#include <utility>

#include "gradient_sum.h"
#include "lacuna/train/device_rules.h"
#include "lacuna/train/program.h"
#include "lacuna/train/ranks.h"
#include "lacuna/train/setup.h"

namespace lacuna::train {
namespace {

nn::ModelConfig runnable(const nn::ModelConfig& config, int64_t batch, const RunDevice& device) {
  if (device.gpu) check_supported_on_gpu(config, batch);
  return config;
}

std::unique_ptr<optim::Optimizer> dry_optimizer(const Options& options,
                                                const nn::ParameterStore& parameters,
                                                const World& world) {
  Queue queue = Queue::dry();
  return make_optimizer(queue, optimizer_config(options), parameters,
                        own_part(options, world, parameters));
}

}  // namespace

DryTrainer::DryTrainer(const Options& options, const nn::ModelConfig& config,
                       const RunDevice& device, DType dtype, const World& world)
    : device_(device),
      share_(share_of(options, world)),
      parameters_(Queue::dry(), parameter_specs(runnable(config, share_.batch, device)), dtype,
                  true, optimizer_parts(options, world)),
      model_(config, parameters_),
      optimizer_(dry_optimizer(options, parameters_, world)) {
  if (options.optim.average > 0) {
    averages_.emplace(Queue::dry(), parameter_specs(config), dtype, false,
                      optimizer_parts(options, world));
  }
  std::vector<Need> needs = needs_around(options, world);
  const ModelUse use{.trains = true, .evaluates = true, .samples = needs.size() > 1};
  around_ = run_memory(std::move(needs), parameters_, averages_ ? &*averages_ : nullptr,
                       *optimizer_, device_memory_use(device, model_, use));
  // A step has tokens of its own, as many as an evaluation.
  around_.held[MemoryTag::kInputs] += around_.needs.front().memory[MemoryTag::kInputs];
  if (world.alone()) return;
  const GradientSumConfig sums = gradient_sum_config(options, world);
  const Tensor rounded = rounded_gradients(Queue::dry(), parameters_, sums);
  if (rounded.present()) around_.held[MemoryTag::kCommunication] += rounded.view().bytes();
}

std::vector<Need> DryTrainer::needs_around(const Options& options, const World& world) const {
  const Program evaluation = Program::evaluation(Queue::dry(), model_, batch());
  std::vector<Need> needs{{"an evaluation", evaluation.block_bytes(), evaluation.memory()}};
  constexpr StepSize kAny{.tokens = 1, .samples = 1, .samples_per_epoch = 1};
  if (parse_length(options.train.sample_every, kAny, "train.sample_every") == 0) return needs;
  Options resolved = options;
  resolved.model.context = model_.config().context;
  const SampleConfig samples =
      samples_of_rank(sample_config(resolved, *medium_of(resolved)), world);
  if (samples.count == 0) return needs;
  const Sampler sampler(Queue::dry(), model_, samples);
  needs.push_back({"a sample", sampler.block_bytes(), sampler.memory()});
  return needs;
}

RunMemory DryTrainer::memory(const nn::KeptByBlock& kept) const {
  StepState state;
  const Program step = Program::training(Queue::dry(), model_, batch(), 1, &state, kept);
  RunMemory memory = around_;
  memory.needs.insert(memory.needs.begin(), {"a step", step.block_bytes(), step.memory()});
  return memory;
}

size_t DryTrainer::held() const {
  return device_.context + around_.held.total();
}

size_t DryTrainer::bytes_with(size_t arena) const {
  return held() + std::max(arena, around_.block());
}

size_t DryTrainer::room_in(size_t bytes) const {
  return bytes > held() ? bytes - held() : 0;
}

size_t DryTrainer::checkpoint_bytes() const {
  size_t weights = 0;  // without the padding between them
  for (const nn::ParameterSlice& slice : parameters_.slices()) {
    weights += static_cast<size_t>(slice.count);
  }
  size_t bytes = (averages_ ? 2 : 1) * weights * size_of(parameters_.dtype());
  for (const auto& [name, buffer] : optimizer_->buffers()) {
    bytes += weights * size_of(buffer.dtype());
  }
  return bytes;
}

}  // namespace lacuna::train
