// What a trainer goes on from: copied into checkpoints, restored from them, the same on all ranks.
#include <cstring>

#include "lacuna/base/text.h"
#include "lacuna/data/checksum.h"
#include "lacuna/kernels/elementwise.h"
#include "lacuna/train/trainer.h"
#include "lacuna/train/weights.h"

namespace lacuna::train {

void Trainer::gather_averages() {
  if (!averages_ || averages_are_whole_) return;
  communicator_->all_gather(queue_, averages_->values());
  averages_are_whole_ = true;
}

// The memory of the gradients, which holds nothing between two steps and is zero again afterwards.
View Trainer::in_gradients(DType dtype) const {
  const View& gradients = parameters_.gradients();
  return {gradients.raw(), dtype, {gradients.count()}};
}

// Lets one buffer after the other be used that all ranks hold parts of.
void Trainer::gather_moments(const UseMoments& use) {
  for (const auto& [name, own] : optimizer_->buffers()) {
    if (!is_sharded()) {
      use(name, own);
      continue;
    }
    const View whole = in_gradients(own.dtype());
    launch(queue_, Convert{.x = own, .y = whole.slice(0, own_.begin, own_.count)});
    communicator_->all_gather(queue_, whole);
    use(name, whole);
    launch(queue_, Zero{.y = parameters_.gradients()});
  }
}

// From the first rank, which may have restored them, each takes what it holds.
void Trainer::share_moments() {
  const auto buffers = optimizer_->buffers();
  for (size_t i = 0; i < buffers.size(); ++i) {
    const View& own = buffers[i].second;
    if (!is_sharded()) {
      communicator_->broadcast(queue_, own);
      continue;
    }
    const View whole = in_gradients(own.dtype());
    if (!restored_.empty()) queue_.upload(whole, restored_[i].second.view().raw());
    communicator_->broadcast(queue_, whole);
    launch(queue_, Convert{.x = whole.slice(0, own_.begin, own_.count), .y = own});
    launch(queue_, Zero{.y = parameters_.gradients()});
  }
  restored_.clear();
}

void Trainer::copy_to(Snapshot* snapshot) {
  const auto copy = [this](const View& flat, Tensor& held) {
    if (!held.present()) held = Tensor::zeros(flat.shape(), flat.dtype());
    if (queue_.on_gpu()) return queue_.read(flat, held.view().raw());
    launch(queue_, Convert{.x = flat, .y = held});  // on all threads, unlike memcpy()
  };
  gather_averages();
  if (snapshot != nullptr) {
    StepState state;
    queue_.read(state_, &state);
    snapshot->state.loss_scale = state.loss_scale;
    snapshot->state.good_steps = state.good_steps;
    snapshot->state.step = steps_;
    snapshot->state.updates = updates_;
    snapshot->place = place();
    snapshot->slices = parameters_.slices();
    snapshot->used = parameters_.used_count();
    copy(parameters_.values(), snapshot->weights);
    if (averages_) copy(averages_->values(), snapshot->average);
    snapshot->optimizer.resize(optimizer_->buffers().size());
  }
  size_t buffer = 0;
  gather_moments([&](const std::string& name, const View& whole) {
    if (snapshot == nullptr) return;
    auto& [its_name, its_copy] = snapshot->optimizer[buffer++];
    its_name = name;
    copy(whole, its_copy);
  });
}

DataPlace Trainer::place() const {
  return {.index = steps_ * step_size_.samples, .tokens = steps_ * step_size_.tokens};
}

// Files and options fit already; here the manifest itself must tell the same.
void Trainer::check_facts(const std::string& checkpoint) const {
  const std::optional<CheckpointFacts> facts = read_facts(checkpoint);
  if (!facts) return;
  const auto refuse = [&](const std::string& message) {
    throw Error(ErrorKind::kData, checkpoint + "/manifest.json", message,
                "Resume from another checkpoint");
  };
  const DType moments = optimizer_->buffers().front().second.dtype();
  if (facts->moments != moments) {
    refuse(str("its moments are ", name_of(facts->moments), ", this run's are ", name_of(moments)));
  }
  if (facts->ranges.back().end != parameters_.used_count()) {
    refuse("its optimizer's state is of another number of weights");
  }
  if (facts->place != place()) refuse("its place in the data is not that of its step");
}

// Where each rank holds a part, whole into host memory: share_moments() hands them out.
void Trainer::load_moments(const std::string& file) {
  std::vector<FlatBuffer> buffers;
  for (const auto& [name, own] : optimizer_->buffers()) {
    if (is_sharded()) {
      restored_.emplace_back(name, Tensor::zeros({parameters_.flat_count()}, own.dtype()));
    }
    buffers.push_back({name + ".", is_sharded() ? restored_.back().second.view() : own});
  }
  const Queue& queue = is_sharded() ? Queue::cpu(1) : queue_;
  load_buffers(queue, file, parameters_.slices(), buffers);
}

void Trainer::restore(const std::string& checkpoint) {
  load_weights(checkpoint + "/weights.safetensors", parameters_);
  if (averages_) load_weights(checkpoint + "/average.safetensors", *averages_);
  load_moments(checkpoint + "/optimizer.safetensors");
  const TrainingState saved = read_state(checkpoint);
  steps_ = saved.step;
  updates_ = saved.updates;
  check_facts(checkpoint);
  StepState state;
  state.updates = saved.updates;
  state.loss_scale = saved.loss_scale;
  state.good_steps = saved.good_steps;
  queue_.upload(state_, &state);
}

void Trainer::start_from(const std::string& weights_file) {
  load_weights(weights_file, parameters_);
  if (averages_) launch(queue_, Convert{.x = parameters_.values(), .y = averages_->values()});
}

void Trainer::take_state_of_first() {
  if (communicator_ == nullptr) return;
  communicator_->broadcast(queue_, parameters_.values());
  parameters_.round();
  if (averages_) communicator_->broadcast(queue_, averages_->values());
  averages_are_whole_ = true;
  share_moments();
  communicator_->broadcast(queue_, state_);
  const auto number = [this](const char* what, int64_t own) {
    return std::stoll(group_->from_first(what, std::to_string(own)));
  };
  steps_ = number("steps done", steps_);
  updates_ = number("updates done", updates_);
}

void Trainer::check_equal_weights() const {
  if (group_->world().alone()) return;
  Checksum sum;
  const Tensor values = queue_.to_host(parameters_.values());
  sum.add(values.view().raw(), values.view().bytes());
  const std::vector<std::string> sums = group_->exchange("the checksum of weights", sum.text());
  std::vector<std::string> others;
  for (size_t rank = 1; rank < sums.size(); ++rank) {
    if (sums[rank] != sums[0]) others.push_back(std::to_string(rank));
  }
  if (others.empty()) return;
  throw Error(ErrorKind::kInternal, str("step ", steps_),
              "the weights of these ranks differ from those of rank 0: " + join(others, ", "),
              "The last checkpoint is intact; a GPU or the memory of a host may be faulty");
}

}  // namespace lacuna::train
