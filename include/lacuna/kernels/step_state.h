// What changes from step to step. It lies in the memory of the queue's device, and contracts point
// to it, so that no contract field ever changes and a recorded step can be replayed.
#pragma once

#include <cstdint>

#include "lacuna/base/rng.h"
#include "lacuna/kernels/launch.h"
#include "lacuna/tensor/view.h"

namespace lacuna {

/// The parts of a step in their order.
enum class StepPart : int32_t { kNone, kForward, kBackward, kUpdate, kDone };

/// How far the device has come. Lies in host memory (Queue::shared), where a fault leaves it, and
/// where others may look while the step goes on: each member is written and read as a whole
/// (std::atomic_ref), but not all of them at once.
struct StepProgress {
  int64_t step = 0;  // from 1
  StepPart part = StepPart::kNone;
  int32_t layer = 0;        // from 1; 0 from the update on
  int32_t micro_batch = 0;  // from 1
};

/// Written by the host before each micro-batch. The host hears of a skipped step one step late, so
/// it sends the numbers of two updates: the next one and, should the step before have been skipped,
/// the one that would then be the next.
struct StepInputs {
  PhiloxKey dropout_key{};           // of (seed, step)
  PhiloxKey rounding_key{};          // of (seed, step), for moments in bf16
  uint64_t first_sample = 0;         // global index of the first sample of this batch
  int64_t first_update = 1;          // the number (from 1) that entry 0 is for
  double learning_rate[2] = {};      // as scheduled
  double average_decay[2] = {};      // of the weight average
  int64_t step = 0;                  // from 1
  int32_t micro_batch = 0;           // from 1
  StepProgress* progress = nullptr;  // where NoteProgress writes
};

/// Kept by the device.
struct StepState {
  StepInputs inputs;
  double running_nats = 0;  // summed over the micro-batches of the step so far
  double loss_scale = 1;    // every gradient is this much too large
  int64_t good_steps = 0;   // in a row, since loss_scale changed
  int64_t updates = 0;      // steps that were not skipped, so the number of the last update
  // Of the last finished step:
  double nats = 0;           // summed over its tokens
  double gradient_norm = 0;  // before clipping
  int64_t skipped = 0;       // 1: not finite, and nothing was updated
  double learning_rate = 0;
  double gradient_scale = 1;  // clip factor over everything the gradients were multiplied with
  double average_decay = 0;
};

/// Inverted dropout on [B, T, C], `rate` rounded to a multiple of 2^-15: element e of sample s is
/// dropped when the lower 15 bits of its half-word are below rate * 2^15, else divided by 1 - rate.
/// Its half-word: of word e mod 8 / 2 of random_words(dropout_key, s, site, e / 8) the lower one
/// for an even e, else the upper. rate 0: nothing is dropped.
struct Dropout {
  double rate = 0;
  uint32_t site = 0;
  const StepState* state = nullptr;

  /// rate * 2^15.
  constexpr uint32_t threshold() const { return static_cast<uint32_t>(rate * 0x1p15 + 0.5); }
  /// What is kept is multiplied with this.
  constexpr double scale() const { return 0x1p15 / (0x1p15 - threshold()); }
};

/// *progress = {step, part, layer, micro_batch}, once everything launched before has been done;
/// nothing where the inputs have no progress to write to.
struct NoteProgress {
  StepPart part;
  int32_t layer = 0;
  const StepState* state = nullptr;
};

/// running_nats += sum of losses, in an order that does not depend on threads. losses: [N] f64.
struct AddLosses {
  View losses;
  StepState* state = nullptr;
};

/// How the loss scale moves: times `growth` after `patience` good steps in a row, divided by
/// `growth` after a skipped one, within [least, most]. growth 1: never.
struct LossScaling {
  double growth = 1;
  int64_t patience = 1000;
  double least = 1, most = 16777216;
};

/// Ends the gradients of a step: from running_nats and the squared norm of the (scaled) gradients
/// to everything that the update reads. squared_norm: [1] f64. clip 0: no clipping.
struct FinishGradients {
  View squared_norm;
  StepState* state = nullptr;
  double clip = 0;
  LossScaling scaling;
};

/// What FinishGradients does to the state, for the backends: `norm` of the unscaled gradients.
constexpr void finish_gradients(StepState& state, double norm, bool finite, double clip,
                                const LossScaling& scaling) {
  state.nats = state.running_nats;
  state.running_nats = 0;
  state.gradient_norm = norm;
  state.skipped = finite ? 0 : 1;
  if (!finite) {
    state.good_steps = 0;
    const double lower = state.loss_scale / scaling.growth;
    state.loss_scale = lower < scaling.least ? scaling.least : lower;
    return;
  }
  ++state.updates;
  const int64_t entry = state.updates - state.inputs.first_update;
  state.learning_rate = state.inputs.learning_rate[entry];
  state.average_decay = state.inputs.average_decay[entry];
  state.gradient_scale = (clip > 0 && norm > clip ? clip / norm : 1) / state.loss_scale;
  if (++state.good_steps >= scaling.patience) {
    state.good_steps = 0;
    const double higher = state.loss_scale * scaling.growth;
    state.loss_scale = higher > scaling.most ? scaling.most : higher;
  }
}

namespace cpu {
void run(Backend, Queue& queue, const NoteProgress& op);
void run(Backend, Queue& queue, const AddLosses& op);
void run(Backend, Queue& queue, const FinishGradients& op);
}  // namespace cpu

namespace cuda {
void run(Backend, Queue& queue, const NoteProgress& op);
void run(Backend, Queue& queue, const AddLosses& op);
void run(Backend, Queue& queue, const FinishGradients& op);
}  // namespace cuda

}  // namespace lacuna
