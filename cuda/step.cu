// What runs between layers and at the ends of a micro-batch and of a step, on the device's own
// state.
//   NoteProgress     one thread; 24 bytes to host memory
//   AddLosses        running_nats += sum of losses [N] f64   8 N bytes: about 1 MB, so latency
//   FinishGradients  one thread
// AddLosses: kParts blocks sum what they stride over, one block adds the parts; the order depends
// on N alone.
#include <cmath>

#include "device/elements.cuh"
#include "dispatch.h"
#include "lacuna/kernels/step_state.h"
#include "launch_kernel.h"

namespace lacuna::cuda {
namespace {

constexpr int kThreads = 256, kParts = 128;

__global__ void note_progress_kernel(const StepState* state, StepPart part, int32_t layer) {
  follow_previous();
  if (state->inputs.progress != nullptr)
    *state->inputs.progress = {state->inputs.step, part, layer, state->inputs.micro_batch};
}

__global__ void sum_losses_kernel(const double* losses, int64_t n, double* partial) {
  follow_previous();
  double sum = 0;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < n; i += kParts * kThreads) {
    sum += losses[i];
  }
  sum = block_sum<kThreads / 32>(sum);
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

__global__ void add_nats_kernel(const double* partial, StepState* state) {
  follow_previous();
  const double sum = block_sum<kParts / 32>(partial[threadIdx.x]);
  if (threadIdx.x == 0) state->running_nats += sum;
}

__global__ void finish_gradients_kernel(const double* squared_norm, StepState* state, double clip,
                                        LossScaling scaling) {
  follow_previous();
  const double norm = sqrt(*squared_norm) / state->loss_scale;
  const bool finite = isfinite(norm) && isfinite(state->running_nats);
  finish_gradients(*state, norm, finite, clip, scaling);
}

}  // namespace

void run(Backend, Queue& queue, const NoteProgress& op) {
  launch_kernel(gpu(queue), "note_progress_kernel", note_progress_kernel, 1, 1, 0, op.state,
                op.part, op.layer);
}

void run(Backend, Queue& queue, const AddLosses& op) {
  GpuStream& stream = gpu(queue);
  double* partial = stream.workspace<double>(kParts);
  launch_kernel(stream, "sum_losses_kernel", sum_losses_kernel, kParts, kThreads, 0,
                pointer<double>(op.losses, "AddLosses"), op.losses.count(), partial);
  launch_kernel(stream, "add_nats_kernel", add_nats_kernel, 1, kParts, 0, partial, op.state);
}

void run(Backend, Queue& queue, const FinishGradients& op) {
  launch_kernel(gpu(queue), "finish_gradients_kernel", finish_gradients_kernel, 1, 1, 0,
                pointer<double>(op.squared_norm, "FinishGradients"), op.state, op.clip, op.scaling);
}

}  // namespace lacuna::cuda
