#include "lacuna/autograd/saved.h"

#include <utility>

#include "lacuna/base/error.h"

namespace lacuna {

Tensor Result::at_hand() const {
  if (replay_ == nullptr) return held_;
  const auto holder = replay_->outputs_[output_].holder.lock();
  return holder != nullptr ? holder->tensor : Tensor();
}

Tensor Result::tensor() const {
  const Tensor present = at_hand();
  return present.present() || replay_ == nullptr ? present : replay_->make()[output_];
}

Tensor Result::tensor_alone() const {
  const Tensor present = at_hand();
  return present.present() || replay_ == nullptr ? present : replay_->make(output_)[output_];
}

std::pair<Tensor, Tensor> Result::tensors(const Result& first, const Result& second) {
  const bool together = first.replay_ != nullptr && first.replay_ == second.replay_ &&
                        !first.at_hand().present() && !second.at_hand().present();
  if (!together) return {first.tensor(), second.tensor()};
  const std::vector<Tensor> made = first.replay_->make();
  return {made[first.output_], made[second.output_]};
}

void Result::drop() const {
  if (replay_ == nullptr) return;
  Replay::Output& output = replay_->outputs_[output_];
  output.dropped = true;
  if (const auto holder = output.holder.lock()) holder->tensor = {};
}

Saved::Saved(const Result& result, const Tensor& value) {
  if (result.replay_ == nullptr) {
    holder_ = std::make_shared<Holder>(Holder{result, value});
    return;
  }
  Replay::Output& output = result.replay_->outputs_[result.output_];
  holder_ = output.holder.lock();
  if (holder_ != nullptr) return;
  holder_ = std::make_shared<Holder>(Holder{result, output.dropped ? Tensor() : value});
  output.holder = holder_;
}

const Tensor& Saved::get() const {
  require(holder_ != nullptr, "Saved::get", "nothing was saved");
  // The replay hands what it has made to this holder, too.
  if (!holder_->tensor.present()) holder_->result.replay_->make();
  return holder_->tensor;
}

std::vector<Tensor> Replay::make(size_t handed) {
  std::vector<Tensor> made(outputs_.size());
  for (size_t k = 0; k < outputs_.size(); ++k) {
    if (const auto holder = outputs_[k].holder.lock()) made[k] = holder->tensor;
  }
  run_(made);
  for (size_t k = 0; k < outputs_.size(); ++k) {
    require(made[k].present(), "Replay::make", "an op has not made its results again");
    if (handed != kAll && handed != k) continue;
    const auto holder = outputs_[k].holder.lock();
    if (holder != nullptr && !holder->tensor.present()) holder->tensor = made[k];
  }
  return made;
}

}  // namespace lacuna
