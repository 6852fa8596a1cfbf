// What runs between layers and at the ends of a pass and of a step, on the device's own state.
//   NotePlace        one thread; 16 bytes to host memory
//   AddLosses        running_nats += sum of losses [N] f64   8 N bytes: about 1 MB, so latency
//   FinishGradients  one thread
// AddLosses: kParts blocks sum what they stride over, one block adds the parts; the order depends
// on N alone.
#include <cmath>

#include "device/elements.cuh"
#include "dispatch.h"
#include "lacuna/kernels/step_state.h"

namespace lacuna::cuda {
namespace {

constexpr int kThreads = 256, kParts = 128;

__global__ void note_place_kernel(const StepState* state, StepPart part, int32_t layer) {
  if (state->inputs.place != nullptr) *state->inputs.place = {state->inputs.step, part, layer};
}

__global__ void sum_losses_kernel(const double* losses, int64_t n, double* partial) {
  double sum = 0;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < n; i += kParts * kThreads) {
    sum += losses[i];
  }
  sum = block_sum<kThreads / 32>(sum);
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

__global__ void add_nats_kernel(const double* partial, StepState* state) {
  const double sum = block_sum<kParts / 32>(partial[threadIdx.x]);
  if (threadIdx.x == 0) state->running_nats += sum;
}

__global__ void finish_gradients_kernel(const double* squared_norm, StepState* state, double clip,
                                        LossScaling scaling) {
  const double norm = sqrt(*squared_norm) / state->loss_scale;
  const bool finite = isfinite(norm) && isfinite(state->running_nats);
  finish_gradients(*state, norm, finite, clip, scaling);
}

}  // namespace

void run(Backend, Queue& queue, const NotePlace& op) {
  note_place_kernel<<<1, 1, 0, gpu(queue).stream()>>>(op.state, op.part, op.layer);
  check_launch("note_place_kernel");
}

void run(Backend, Queue& queue, const AddLosses& op) {
  GpuStream& stream = gpu(queue);
  double* partial = stream.workspace<double>(kParts);
  sum_losses_kernel<<<kParts, kThreads, 0, stream.stream()>>>(
      pointer<double>(op.losses, "AddLosses"), op.losses.count(), partial);
  check_launch("sum_losses_kernel");
  add_nats_kernel<<<1, kParts, 0, stream.stream()>>>(partial, op.state);
  check_launch("add_nats_kernel");
}

void run(Backend, Queue& queue, const FinishGradients& op) {
  finish_gradients_kernel<<<1, 1, 0, gpu(queue).stream()>>>(
      pointer<double>(op.squared_norm, "FinishGradients"), op.state, op.clip, op.scaling);
  check_launch("finish_gradients_kernel");
}

}  // namespace lacuna::cuda
