#include "lacuna/train/trainer.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "lacuna/kernels/elementwise.h"
#include "lacuna/train/weights.h"

namespace lacuna::train {

const char* name_of(Weights weights) {
  return weights == Weights::kRaw ? "raw" : "average";
}

Trainer::Trainer(const Options& options, const Dataset& data)
    : options_(options),
      data_(data),
      queue_(Queue::cpu(threads(options))),
      config_(model_config(options, data.vocabulary())),
      parameters_(parameter_specs(config_), precision(options), true),
      model_(config_, parameters_),
      optimizer_(make_optimizer(optimizer_config(options), parameters_)),
      step_size_(train::step_size(options, data)),
      schedule_(schedule(options, step_size_)),
      order_(sample_order(options, data)),
      training_(model_, options.train.batch, Tape::Mode::kTrain,
                1 / static_cast<double>(step_size_.tokens)),
      evaluation_(model_, options.train.batch, Tape::Mode::kEvaluate) {
  parameters_.initialise(parameter_specs(config_), static_cast<uint64_t>(options.train.seed));
  if (schedule_.average_decay > 0) {
    averages_.emplace(parameter_specs(config_), parameters_.dtype(), false);
    launch(queue_, Convert{.x = parameters_.values(), .y = averages_->values()});
    average_model_.emplace(config_, *averages_);
  }
}

StepResult Trainer::step() {
  StepState& state = training_.state();
  const auto seed = static_cast<uint64_t>(options_.train.seed);
  state.dropout_key = random_key(seed, RandomUse::kDropout, static_cast<uint64_t>(steps_));
  launch(queue_, Zero{.y = parameters_.gradients()});
  double nats = 0;
  for (int64_t pass = 0; pass < options_.train.accumulation; ++pass) {
    state.first_sample =
        static_cast<uint64_t>(steps_ * step_size_.samples + pass * options_.train.batch);
    read_samples(data_, Split::kTrain, order_, state.first_sample, options_.train.batch,
                 training_.tokens());
    training_.run(queue_, model_);
    const int64_t tokens = options_.train.batch * config_.context;
    for (int64_t i = 0; i < tokens; ++i) nats += training_.losses()[i];
  }

  StepResult result{.step = ++steps_};
  result.bits = nats / static_cast<double>(step_size_.tokens) / std::numbers::ln2;
  result.gradient_norm = optim::gradient_norm(queue_, parameters_);
  result.learning_rate = schedule_.rate(updates_ + 1);
  result.skipped = !std::isfinite(result.bits) || !std::isfinite(result.gradient_norm);
  if (result.skipped) return result;

  ++updates_;
  const double clip = options_.optim.clip;
  state.learning_rate = optimizer_->step_size(result.learning_rate, updates_);
  state.gradient_scale = clip > 0 && result.gradient_norm > clip ? clip / result.gradient_norm : 1;
  state.average_decay = schedule_.decay(updates_);
  optimizer_->update(queue_, parameters_, averages_ ? averages_->values() : View(), state);
  return result;
}

Evaluation Trainer::evaluate(Split split, Weights weights, const std::function<bool()>& stop) {
  const nn::Transformer& model = weights == Weights::kAverage ? *average_model_ : model_;
  return train::evaluate(queue_, evaluation_, model, data_, split, 0, stop);
}

void Trainer::copy_to(Snapshot& snapshot) {
  const auto copy = [this](const View& flat, Tensor& held) {
    if (!held.present()) held = Tensor::zeros(flat.shape(), flat.dtype());
    launch(queue_, Convert{.x = flat, .y = held});  // on all threads, unlike memcpy()
  };
  snapshot.state.step = steps_;
  snapshot.state.updates = updates_;
  snapshot.slices = parameters_.slices();
  copy(parameters_.values(), snapshot.weights);
  if (averages_) copy(averages_->values(), snapshot.average);
  const auto buffers = optimizer_->buffers();
  snapshot.optimizer.resize(buffers.size());
  for (size_t i = 0; i < buffers.size(); ++i) {
    snapshot.optimizer[i].first = buffers[i].first;
    copy(buffers[i].second, snapshot.optimizer[i].second);
  }
}

void Trainer::restore(const std::string& checkpoint) {
  load_weights(queue_, checkpoint + "/weights.safetensors", parameters_);
  if (averages_) load_weights(queue_, checkpoint + "/average.safetensors", *averages_);
  std::vector<FlatBuffer> buffers;
  for (const auto& [name, flat] : optimizer_->buffers()) buffers.push_back({name + ".", flat});
  load_buffers(queue_, checkpoint + "/optimizer.safetensors", parameters_.slices(), buffers);
  const TrainingState state = read_state(checkpoint);
  steps_ = state.step;
  updates_ = state.updates;
}

void Trainer::start_from(const std::string& weights_file) {
  load_weights(queue_, weights_file, parameters_);
  if (averages_) launch(queue_, Convert{.x = parameters_.values(), .y = averages_->values()});
}

const nn::ParameterStore& Trainer::weights(Weights which) const {
  return which == Weights::kAverage ? *averages_ : parameters_;
}

MemoryUse Trainer::memory() const {
  MemoryUse use = training_.memory();
  const MemoryUse evaluation = evaluation_.memory();
  for (size_t tag = 0; tag < kMemoryTags; ++tag) use.bytes[tag] += evaluation.bytes[tag];
  use[MemoryTag::kParameters] += parameters_.values().bytes();
  use[MemoryTag::kGradients] += parameters_.gradients().bytes();
  if (averages_) use[MemoryTag::kAverages] += averages_->values().bytes();
  for (const auto& [name, view] : optimizer_->buffers()) use[MemoryTag::kOptimizer] += view.bytes();
  return use;
}

}  // namespace lacuna::train
