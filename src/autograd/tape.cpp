#include "lacuna/autograd/tape.h"

#include <utility>

#include "lacuna/base/error.h"
#include "lacuna/kernels/elementwise.h"

namespace lacuna {

Variable Tape::variable(Tensor value, Result result) {
  if (!records()) return {std::move(value), -1, {}};
  gradients_.emplace_back();
  return {std::move(value), static_cast<int64_t>(gradients_.size()) - 1, std::move(result)};
}

Variable Tape::variable(Tensor value) {
  Result result(value);
  return variable(std::move(value), std::move(result));
}

std::shared_ptr<Replay> Tape::replay(size_t outputs, Replay::Run run) {
  return records() ? std::make_shared<Replay>(outputs, std::move(run)) : nullptr;
}

Tensor Tape::take_gradient(const Variable& variable) {
  Tensor gradient = take_gradient_if_any(variable);
  require(gradient.present(), "Tape::take_gradient", "the result of an op was never used");
  return gradient;
}

Tensor Tape::take_gradient_if_any(const Variable& variable) {
  require(variable.slot >= 0, "Tape::take_gradient", "the variable has no gradient");
  return std::exchange(gradients_[static_cast<size_t>(variable.slot)], Tensor());
}

void Tape::add_gradient(const Variable& variable, Tensor gradient) {
  if (variable.slot < 0) return;
  Tensor& held = gradients_[static_cast<size_t>(variable.slot)];
  if (!held.present()) {
    held = std::move(gradient);
  } else {
    launch(queue_, Accumulate{.x = gradient, .y = held});
  }
}

void Tape::backward() {
  while (!records_.empty()) {
    const std::function<void()> run = std::move(records_.back());
    records_.pop_back();
    run();
  }
}

}  // namespace lacuna
