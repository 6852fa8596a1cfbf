// The ends of passes and steps on the GPU against the CPU, on the same state.
#include "parity.h"

using namespace parity;

namespace {

using GpuState = proof::OnDevice<StepState>;

StepState some_state(double running_nats) {
  StepState state;
  state.inputs.first_update = 7;
  state.inputs.learning_rate[0] = 3e-4;
  state.inputs.learning_rate[1] = 2e-4;
  state.inputs.average_decay[0] = 0.99;
  state.inputs.average_decay[1] = 0.98;
  state.running_nats = running_nats;
  state.loss_scale = 1024;
  state.good_steps = 4;
  state.updates = 7;
  return state;
}

void check_equal(const StepState& a, const StepState& b) {
  CHECK(a.running_nats == b.running_nats);
  CHECK(a.loss_scale == b.loss_scale);
  CHECK(a.good_steps == b.good_steps);
  CHECK(a.updates == b.updates);
  CHECK((a.nats == b.nats || (std::isnan(a.nats) && std::isnan(b.nats))));
  CHECK((a.gradient_norm == b.gradient_norm ||
         (std::isnan(a.gradient_norm) && std::isnan(b.gradient_norm))));
  CHECK(a.skipped == b.skipped);
  CHECK(a.learning_rate == b.learning_rate);
  CHECK(a.gradient_scale == b.gradient_scale);
  CHECK(a.average_decay == b.average_decay);
}

}  // namespace

TEST_CASE("AddLosses on the GPU adds all losses, the same bits in every run", "[step]") {
  for (const int64_t n : {1, 31, 33, 255, 257, 32768, 98304, 98305}) {
    prove(proof::add_losses(n), DType::kF32, {.seed = 4});
  }
}

TEST_CASE("FinishGradients on the GPU leaves the state that it leaves on the CPU", "[step]") {
  for (const double squared_norm : {0.0, 4e6, 1e12, double(INFINITY), double(NAN)}) {
    for (const double clip : {0.0, 1.0}) {
      for (const int64_t patience : {5, 100}) {
        for (const double nats : {12.5, double(NAN)}) {
          CAPTURE(squared_norm, clip, patience, nats);
          const Tensor norm = Tensor::zeros({1}, DType::kF64);
          norm.view().data<double>()[0] = squared_norm;
          const Tensor on_gpu = gpu_queue().zeros({1}, DType::kF64);
          gpu_queue().upload(on_gpu, norm.view().raw());
          const LossScaling scaling{.growth = 2, .patience = patience};
          const GpuState state(gpu_queue(), some_state(nats));
          StepState wanted = some_state(nats);
          run(cuda::Backend{}, gpu_queue(),
              FinishGradients{
                  .squared_norm = on_gpu, .state = state.get(), .clip = clip, .scaling = scaling});
          run(cpu::Backend{}, cpu_queue(),
              FinishGradients{
                  .squared_norm = norm, .state = &wanted, .clip = clip, .scaling = scaling});
          check_equal(state.read(), wanted);
        }
      }
    }
  }
}

TEST_CASE("NoteProgress on the GPU writes where the step is, and nothing without a place",
          "[step]") {
  const Tensor memory = gpu_queue().shared({3 * int64_t{sizeof(StepProgress)}}, DType::kU8);
  auto* places = static_cast<StepProgress*>(memory.view().raw());
  const auto check = [&](int64_t step, StepPart part, int32_t layer) {
    gpu_queue().wait();
    CHECK(places[1].step == step);
    CHECK(places[1].part == part);
    CHECK(places[1].layer == layer);
    CHECK(places[1].micro_batch == (step == 0 ? 0 : 4));
    for (const int neighbour : {0, 2}) {
      CHECK(places[neighbour].step == 0);
      CHECK(places[neighbour].part == StepPart::kNone);
      CHECK(places[neighbour].layer == 0);
      CHECK(places[neighbour].micro_batch == 0);
    }
  };
  check(0, StepPart::kNone, 0);  // zeroed
  constexpr int64_t kStep = (int64_t{5} << 32) + 12;
  StepState start = some_state(0);
  start.inputs.step = kStep;
  start.inputs.micro_batch = 4;
  start.inputs.progress = places + 1;
  const GpuState state(gpu_queue(), start);
  for (const auto& [part, layer] :
       {std::pair{StepPart::kForward, 3}, std::pair{StepPart::kBackward, 2},
        std::pair{StepPart::kUpdate, 0}}) {
    run(cuda::Backend{}, gpu_queue(),
        NoteProgress{.part = part, .layer = layer, .state = state.get()});
    check(kStep, part, layer);
  }
  // A write to null would be a fault, which wait() throws.
  start.inputs.step = kStep + 1;
  start.inputs.progress = nullptr;
  const GpuState nowhere(gpu_queue(), start);
  run(cuda::Backend{}, gpu_queue(),
      NoteProgress{.part = StepPart::kForward, .layer = 7, .state = nowhere.get()});
  check(kStep, StepPart::kUpdate, 0);
}
