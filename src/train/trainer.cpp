#include "lacuna/train/trainer.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <numbers>

#include "gradient_sum.h"
#include "lacuna/base/text.h"
#include "lacuna/kernels/elementwise.h"
#include "lacuna/tensor/gpus.h"
#include "lacuna/train/memory_budget.h"
#include "lacuna/train/ranks.h"
#include "lacuna/train/what_fits.h"

namespace lacuna::train {

const char* name_of(Weights weights) {
  return weights == Weights::kRaw ? "raw" : "average";
}

namespace {

// Where fp16 training starts, and how its loss scale moves (Micikevicius et al. 2018, section 3.2).
constexpr double kFirstLossScale = 65536;
constexpr LossScaling kDynamicScaling{.growth = 2, .patience = 1000};

StepState* state_in(const Tensor& memory) {
  return static_cast<StepState*>(memory.view().raw());
}

// A model that the queue's device can hold and run.
nn::ModelConfig fitting_model(const Options& options, const Dataset& data, const Queue& queue,
                              const World& world) {
  nn::ModelConfig model = model_config(options, data.medium());
  check_supported(model, share_of(options, world).batch, queue);
  check_weights_fit(options, model, queue, optimizer_parts(options, world));
  return model;
}

Options resolved(Options options) {
  resolve(options);
  return options;
}

}  // namespace

Trainer::Trainer(const Options& options, const Dataset& data)
    : Trainer(options, data, std::make_shared<Group>()) {}

Trainer::Trainer(const Options& options, const Dataset& data, std::shared_ptr<Group> group)
    : options_(resolved(options)),
      data_(data),
      group_(std::move(group)),
      share_(share_of(options_, group_->world())),
      queue_(make_queue(options, group_->world())),
      communicator_(make_communicator(*group_, queue_)),
      config_(fitting_model(options, data, queue_, group_->world())),
      parameters_(queue_, parameter_specs(config_), storage_type(options, queue_), true,
                  optimizer_parts(options, group_->world())),
      model_(config_, parameters_),
      own_(own_part(options_, group_->world(), parameters_)),
      optimizer_(make_optimizer(queue_, optimizer_config(options), parameters_, own_)),
      step_size_(train::step_size(options_, data)),
      schedule_(schedule(options, step_size_)),
      order_(sample_order(options_, data)),
      state_(queue_.zeros({sizeof(StepState)}, DType::kU8)),
      progress_(queue_.shared({sizeof(StepProgress)}, DType::kU8)),
      squared_norm_(queue_.zeros({1}, DType::kF64)),
      stop_votes_(queue_.zeros({1}, DType::kF64)),
      block_(std::make_shared<SharedBlock>(queue_)),
      evaluation_(Program::evaluation(queue_, model_, share_.batch, block_)) {
  parameters_.initialise(parameter_specs(config_), static_cast<uint64_t>(options.train.seed));
  StepState start;
  if (model_.dtype() == DType::kF16) start.loss_scale = kFirstLossScale;
  queue_.upload(state_, &start);
  if (schedule_.average_decay > 0) {
    averages_.emplace(queue_, parameter_specs(config_), model_.dtype(), false,
                      optimizer_parts(options, group_->world()));
    launch(queue_, Convert{.x = parameters_.values(), .y = averages_->values()});
    average_model_.emplace(config_, *averages_);
  }
  if (parse_length(options.train.sample_every, step_size_, "train.sample_every") > 0) {
    const SampleConfig samples =
        samples_of_rank(sample_config(options_, data_.medium()), group_->world());
    const nn::Transformer& model = averages_ ? *average_model_ : model_;
    if (samples.count > 0) sampler_.emplace(queue_, model, samples, block_);
  }
  if (communicator_ && communicator_->size() > 1) {
    sum_ = std::make_unique<GradientSum>(queue_, *communicator_, parameters_, config_.layers,
                                         gradient_sum_config(options_, group_->world()));
  }
  plan_ = choose_plan();
  training_.reset(new Program(Program::training(queue_, model_, share_.batch,
                                                1 / static_cast<double>(step_size_.tokens),
                                                state_in(state_), plan_.kept, block_)));
  check_memory();
}

Trainer::~Trainer() = default;

// Weights, evaluation and samples are there already; what is left of the budget is for a step.
StepPlan Trainer::choose_plan() const {
  const std::optional<size_t> budget = budget_of(options_.memory.budget, queue_);
  const size_t tokens = evaluation_.memory()[MemoryTag::kInputs];  // those of a step, too
  const RunMemory around = run_memory();
  const size_t held = beside_tensors(queue_) + around.held.total() + tokens;
  // Neither is there yet.
  const size_t later = around.held[MemoryTag::kTables] + around.held[MemoryTag::kLoadedLate];
  const size_t free = free_memory(queue_);
  size_t room = free > later ? free - later : 0;
  if (budget) room = *budget > held ? *budget - held : 0;
  const KeepSearch search(model_, share_.batch, [this] {
    return measure_step(queue_, model_, share_.batch, options_.optim.average > 0);
  });
  if (around.block() <= room) {
    if (const std::optional<StepPlan> plan = search.fastest(room)) return *plan;
  }
  const size_t needed = std::max(around.block(), search.least());
  const bool step = needed == search.least();
  const char* what = step ? "a step" : around.largest().what;
  const std::string hint = what_to_lower(budget.value_or(held + room));
  check_budget(budget, held + needed, str("Most of it is for ", what, ". ", hint));
  throw Error(ErrorKind::kConfig, queue_.on_gpu() ? "GPU memory" : "memory",
              str(what, " needs ", human_bytes(needed), " more than what is held already",
                  step ? ", although it keeps least; " : "; ", human_bytes(room), " are free"),
              hint);
}

std::string Trainer::what_to_lower(size_t bytes) const {
  return train::what_to_lower(
      {options_, config_, RunDevice::of(queue_), model_.dtype(), group_->world()}, bytes);
}

// A budget may be more than what is free. What is still to be allocated is the block.
void Trainer::check_memory() const {
  const RunMemory memory = run_memory();
  const size_t wanted = memory.block(), free = free_memory(queue_);
  if (wanted <= free) return;
  throw Error(ErrorKind::kConfig, queue_.on_gpu() ? "GPU memory" : "memory",
              str(memory.largest().what, " needs ", human_bytes(wanted),
                  " more than what is held already, ", human_bytes(free), " are free (",
                  memory_text(memory.use()), ")"),
              what_to_lower(beside_tensors(queue_) + memory.held.total() + free));
}

StepInputs Trainer::inputs_of(int64_t step) const {
  const auto seed = static_cast<uint64_t>(options_.train.seed);
  StepInputs inputs;
  inputs.dropout_key = random_key(seed, RandomUse::kDropout, static_cast<uint64_t>(step));
  inputs.rounding_key = random_key(seed, RandomUse::kRounding, static_cast<uint64_t>(step));
  inputs.step = step + 1;
  inputs.progress = static_cast<StepProgress*>(progress_.view().raw());
  inputs.first_update = updates_ + 1;
  for (int64_t entry = 0; entry < 2; ++entry) {
    const int64_t update = inputs.first_update + entry;
    inputs.learning_rate[entry] = schedule_.rate(update);
    inputs.average_decay[entry] = schedule_.decay(update);
  }
  return inputs;
}

void Trainer::begin_step(bool wants_to_stop) {
  const int64_t step = steps_ + unfinished();
  require(unfinished() <= 1, "Trainer::begin_step", "two steps are unfinished");
  averages_are_whole_ = !is_sharded();
  StepInputs inputs = inputs_of(step);
  for (int64_t micro_batch = 0; micro_batch < share_.micro_batches; ++micro_batch) {
    inputs.micro_batch = static_cast<int32_t>(micro_batch) + 1;
    inputs.first_sample = static_cast<uint64_t>(step * step_size_.samples + share_.first +
                                                micro_batch * share_.batch);
    queue_.upload(state_.view().slice(0, 0, sizeof(StepInputs)), &inputs);
    read_samples(data_, order_, inputs.first_sample, share_.batch, training_->tokens());
    nn::GradientsReady ready;
    if (sum_ && micro_batch + 1 == share_.micro_batches) {
      ready = [this](int64_t layer) { sum_->ready(layer); };
    }
    training_->run(model_, ready);
  }
  const double vote = wants_to_stop ? 1 : 0;
  queue_.upload(stop_votes_, &vote);
  update_.run(queue_, [&] { begin_update(); });
  reports_.push_back({queue_.download(state_), queue_.download(stop_votes_)});
}

// From here on the step is the same on all ranks. The last pass has added the gradients already.
void Trainer::add_over_ranks() {
  if (communicator_ == nullptr) return;
  communicator_->all_reduce(queue_, View(&state_in(state_)->running_nats, DType::kF64, {1}));
  communicator_->all_reduce(queue_, stop_votes_);
}

// After the update.
void Trainer::bring_weights_together() {
  if (!is_sharded()) return;
  communicator_->all_gather(queue_, parameters_.values());
  parameters_.round();
}

void Trainer::begin_update() {
  add_over_ranks();
  launch(queue_, NoteProgress{.part = StepPart::kUpdate, .state = state_in(state_)});
  const View own = parameters_.gradients().slice(0, own_.begin, own_.count);
  launch(queue_, SquaredNorm{.x = own, .sum = squared_norm_});
  if (is_sharded()) communicator_->all_reduce(queue_, squared_norm_);
  launch(queue_, FinishGradients{
                     .squared_norm = squared_norm_,
                     .state = state_in(state_),
                     .clip = options_.optim.clip,
                     .scaling = model_.dtype() == DType::kF16 ? kDynamicScaling : LossScaling{}});
  const View averages = averages_ ? averages_->values() : View();
  optimizer_->update(queue_, optim::range_of(parameters_, averages, own_.begin, own_.count),
                     state_in(state_));
  bring_weights_together();
  launch(queue_, Zero{.y = parameters_.gradients()});
  launch(queue_, NoteProgress{.part = StepPart::kDone, .state = state_in(state_)});
}

StepResult Trainer::finish_step() {
  require(unfinished() > 0, "Trainer::finish_step", "no step is unfinished");
  StepState state;
  std::memcpy(&state, reports_.front().state->wait(), sizeof state);
  double stop_votes = 0;
  std::memcpy(&stop_votes, reports_.front().stop_votes->wait(), sizeof stop_votes);
  reports_.pop_front();
  StepResult result{.step = ++steps_};
  result.bits = state.nats / static_cast<double>(step_size_.tokens) / std::numbers::ln2 *
                static_cast<double>(data_.medium().unit().symbols);
  result.gradient_norm = state.gradient_norm;
  result.learning_rate = schedule_.rate(updates_ + 1);
  result.loss_scale = state.loss_scale;
  result.skipped = state.skipped != 0;
  result.stop = stop_votes > 0;
  if (!result.skipped) ++updates_;
  return result;
}

StepProgress Trainer::progress() const {
  auto& place = *static_cast<StepProgress*>(progress_.view().raw());
  const auto read = [](auto& from) {
    return std::atomic_ref(from).load(std::memory_order_relaxed);
  };
  return {read(place.step), read(place.part), read(place.layer), read(place.micro_batch)};
}

StepResult Trainer::step() {
  begin_step();
  return finish_step();
}

Evaluation Trainer::evaluate(const ValidationSet& set, Weights weights, int64_t limit,
                             const std::function<bool()>& stop, const Counted& counted) {
  gather_averages();
  const World& world = group_->world();
  const Evaluation own = train::evaluate(evaluation_, model(weights),
                                         {.name = set.name,
                                          .part = *set.part,
                                          .medium = data_.medium(),
                                          .limit = limit,
                                          .seed = static_cast<uint64_t>(options_.train.seed),
                                          .rank = world.rank,
                                          .ranks = world.size},
                                         stop, counted);
  return world.alone() ? own : join_evaluations(*group_, own, data_.medium().unit());
}

Sampler& Trainer::sampler() {
  require(sampler_.has_value(), "Trainer::sampler", "the run draws no samples");
  model(has_average() ? Weights::kAverage : Weights::kRaw);
  return *sampler_;
}

const nn::ParameterStore& Trainer::weights(Weights which) const {
  return which == Weights::kAverage ? *averages_ : parameters_;
}

const nn::Transformer& Trainer::model(Weights which) {
  if (which == Weights::kRaw) return model_;
  averages_->round();  // as ops read them; the optimizer updates the f32 values alone
  return *average_model_;
}

std::vector<Need> Trainer::needs() const {
  std::vector<Need> needs{{"an evaluation", evaluation_.block_bytes(), evaluation_.memory()}};
  if (training_)
    needs.insert(needs.begin(), {"a step", training_->block_bytes(), training_->memory()});
  if (sampler_) needs.push_back({"a sample", sampler_->block_bytes(), sampler_->memory()});
  return needs;
}

RunMemory Trainer::run_memory() const {
  RunMemory memory = train::run_memory(
      needs(), parameters_, averages_ ? &*averages_ : nullptr, *optimizer_,
      device_memory_use(RunDevice::of(queue_), model_,
                        {.trains = true, .evaluates = true, .samples = sampler_.has_value()}));
  if (communicator_) memory.held[MemoryTag::kCommunication] += communicator_->bytes();
  if (sum_) memory.held[MemoryTag::kCommunication] += sum_->bytes();
  return memory;
}

}  // namespace lacuna::train
