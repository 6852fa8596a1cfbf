// Gradients of ops on a tape against central differences, in double.
//
// The scalar L of a check is the sum over all results of (random weight) * (element). Every element
// of every input and parameter is moved by +-h, h = 1e-5, and
//   max_i |analytic_i - (L(x_i + h) - L(x_i - h)) / 2h|  <=  1e-6 * max(max_i |numeric_i|, 1e-2)
// must hold for each tensor: the error is relative to the largest element of the tensor's gradient,
// because an element that is small by cancellation has no digits of its own. The floor of 1e-2 is
// below every gradient here; the truncation h^2 L'''/6 and the rounding 1e-16 |L| / h of the
// differences are both of the order of 1e-10.
#pragma once

#include <cmath>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "lacuna/autograd/tape.h"
#include "random_tensor.h"

/// Something built from ops, with its inputs and parameters. One object can be run many times.
class Differentiable {
 public:
  /// What the op sees: variables on the tape, and parameters with their gradients.
  struct Run {
    lacuna::Tape& tape;
    std::vector<lacuna::Variable> inputs;
    std::vector<lacuna::Parameter> parameters;
    double loss = 0;
    uint64_t weighed = 0;

    /// Adds sum(weights * result) to the loss, and the weights to the gradient of `result`.
    void weigh(const lacuna::Variable& result) {
      if (result.value.view().raw() == nullptr) {  // recording
        if (tape.records()) tape.add_gradient(result, planned(result.shape()));
        return;
      }
      Random random(static_cast<uint64_t>(result.shape().count()) + weighed++);
      lacuna::Tensor weights = tape.records()
                                   ? planned(result.shape())
                                   : lacuna::Tensor::zeros(result.shape(), lacuna::DType::kF64);
      for (int64_t i = 0; i < result.shape().count(); ++i) {
        const double weight = random.uniform(-1, 1);
        weights.view().data<double>()[i] = weight;
        loss += weight * result.value.view().data<double>()[i];
      }
      if (tape.records()) tape.add_gradient(result, weights);
    }

    lacuna::Tensor planned(const lacuna::Shape& shape) {
      return tape.allocate(shape, lacuna::DType::kF64, lacuna::MemoryTag::kActivationGradients);
    }
  };
  using Body = std::function<void(Run&)>;

  Differentiable(std::vector<lacuna::Tensor> inputs, std::vector<lacuna::Tensor> parameters,
                 Body body)
      : inputs_(std::move(inputs)), parameters_(std::move(parameters)), body_(std::move(body)) {
    for (const lacuna::Tensor& parameter : parameters_) {
      gradients_.push_back(lacuna::Tensor::zeros(parameter.shape(), lacuna::DType::kF64));
    }
    train_plan_ = plan(lacuna::Tape::Mode::kRecord);
    evaluate_plan_ = plan(lacuna::Tape::Mode::kForward);
    arena_.emplace(evaluate_plan_);
  }

  const lacuna::MemoryPlan& train_plan() const { return train_plan_; }
  const lacuna::MemoryPlan& evaluate_plan() const { return evaluate_plan_; }

  /// L, without a backward pass.
  double loss() {
    arena_->rewind();
    return once(lacuna::Queue::cpu(1), *arena_, lacuna::Tape::Mode::kForward, nullptr);
  }

  /// dL for each input, then each parameter. Gradients of parameters start from 1 here, which is
  /// taken off again: what is accumulated must not be overwritten. Also L, and the arena's end.
  std::vector<std::vector<double>> gradients(double* loss, bool* used_up) {
    for (const lacuna::Tensor& gradient : gradients_) {
      std::fill_n(gradient.view().data<double>(), gradient.view().count(), 1.0);
    }
    lacuna::Arena arena(train_plan_);
    std::vector<std::vector<double>> all;
    *loss = once(lacuna::Queue::cpu(1), arena, lacuna::Tape::Mode::kRecord, &all);
    for (const lacuna::Tensor& gradient : gradients_) {
      all.push_back(elements<double>(gradient));
      for (double& element : all.back()) element -= 1;
    }
    *used_up = false;
    try {
      arena.allocate({1}, lacuna::DType::kF64, lacuna::MemoryTag::kWorkspace);
    } catch (const lacuna::Error&) {
      *used_up = true;
    }
    return all;
  }

  /// Central differences in the same order.
  std::vector<std::vector<double>> differences() {
    constexpr double kStep = 1e-5;
    std::vector<std::vector<double>> all;
    for (const auto* tensors : {&inputs_, &parameters_}) {
      for (const lacuna::Tensor& tensor : *tensors) {
        all.emplace_back();
        for (int64_t i = 0; i < tensor.view().count(); ++i) {
          double& element = tensor.view().data<double>()[i];
          const double start = element;
          element = start + kStep;
          const double above = loss();
          element = start - kStep;
          all.back().push_back((above - loss()) / (2 * kStep));
          element = start;
        }
      }
    }
    return all;
  }

 private:
  lacuna::MemoryPlan plan(lacuna::Tape::Mode mode) {
    lacuna::Arena recorder;
    std::vector<std::vector<double>> none;
    once(lacuna::Queue::dry(), recorder, mode, &none);
    return recorder.plan();
  }

  double once(lacuna::Queue queue, lacuna::Arena& arena, lacuna::Tape::Mode mode,
              std::vector<std::vector<double>>* input_gradients) {
    lacuna::Tape tape(queue, arena, mode);
    Run run{tape, {}, {}};
    for (const lacuna::Tensor& input : inputs_) {  // copies: an op may overwrite what it is given
      run.inputs.push_back(tape.variable(copy_of<double>(input)));
    }
    for (size_t k = 0; k < parameters_.size(); ++k) {
      run.parameters.push_back({parameters_[k], gradients_[k]});
    }
    body_(run);
    if (!tape.records()) return run.loss;
    tape.backward();
    for (const lacuna::Variable& input : run.inputs) {
      const lacuna::Tensor gradient = tape.take_gradient(input);
      if (gradient.view().raw() != nullptr) input_gradients->push_back(elements<double>(gradient));
    }
    return run.loss;
  }

  std::vector<lacuna::Tensor> inputs_, parameters_, gradients_;
  Body body_;
  lacuna::MemoryPlan train_plan_, evaluate_plan_;
  std::optional<lacuna::Arena> arena_;
};

/// What is wrong with the gradients of `op`, in words; empty if nothing is.
inline std::string gradient_fault(Differentiable& op) {
  double loss = 0;
  bool used_up = false;
  const auto analytic = op.gradients(&loss, &used_up);
  const auto numeric = op.differences();
  if (loss != op.loss()) return "training and evaluation give different losses";
  if (!used_up) return "the step took fewer allocations than were planned";
  if (analytic.size() != numeric.size()) return "a gradient is missing";
  for (size_t k = 0; k < numeric.size(); ++k) {
    if (analytic[k].size() != numeric[k].size()) return "a gradient of another size";
    double error = 0, scale = 1e-2;
    for (size_t i = 0; i < numeric[k].size(); ++i) {
      const double difference = std::fabs(analytic[k][i] - numeric[k][i]);
      if (!(difference <= error)) error = difference;  // also for NaN
      scale = std::fmax(scale, std::fabs(numeric[k][i]));
    }
    if (!(error <= 1e-6 * scale)) {
      return "tensor " + std::to_string(k) + ": error " + std::to_string(error / scale) +
             " of the largest gradient " + std::to_string(scale);
    }
  }
  return "";
}
