// Where a step is, and what is known of the loss and the gradients at the ends of a micro-batch and
// of a step.
#include <atomic>
#include <cmath>

#include "lacuna/kernels/step_state.h"

namespace lacuna::cpu {

void run(Backend, Queue&, const NoteProgress& op) {
  const StepInputs& inputs = op.state->inputs;
  if (inputs.progress == nullptr) return;
  const auto write = [](auto& to, auto value) {
    std::atomic_ref(to).store(value, std::memory_order_relaxed);
  };
  write(inputs.progress->step, inputs.step);
  write(inputs.progress->part, op.part);
  write(inputs.progress->layer, op.layer);
  write(inputs.progress->micro_batch, inputs.micro_batch);
}

void run(Backend, Queue&, const AddLosses& op) {
  const double* losses = op.losses.data<double>();
  double sum = 0;
  for (int64_t i = 0; i < op.losses.count(); ++i) sum += losses[i];
  op.state->running_nats += sum;
}

void run(Backend, Queue&, const FinishGradients& op) {
  const double norm = std::sqrt(op.squared_norm.data<double>()[0]) / op.state->loss_scale;
  const bool finite = std::isfinite(norm) && std::isfinite(op.state->running_nats);
  finish_gradients(*op.state, norm, finite, op.clip, op.scaling);
}

}  // namespace lacuna::cpu
