// The GPU's cross-entropy against the CPU in f64.
#include "lacuna/kernels/cross_entropy.h"

#include "../catch.h"
#include "../compare.h"
#include "layer_tolerances.h"
#include "parity.h"

using namespace parity;

namespace {

struct Size {
  int64_t rows, classes;
};

constexpr Size kSizes[] = {{1, 2},     {31, 5},   {33, 16},  {255, 17}, {257, 255},
                           {257, 256}, {31, 257}, {33, 520}, {5, 1000}, {33, 1023},
                           {33, 1024}, {3, 1025}, {9, 2048}, {9, 2047}, {3, 65536}};

/// max |got - want|: losses and probabilities are differences that may cancel.
double absolute_error(const std::vector<double>& got, const View& want) {
  double worst = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    const double error = std::fabs(got[i] - want.data<double>()[i]);
    if (std::isnan(error)) return INFINITY;
    worst = std::fmax(worst, error);
  }
  return worst;
}

constexpr double kScale = 0.3 * 8;  // of the gradients: the probability 1

struct Problem {
  Problem(const Size& size, Random& random)
      : logits(random_both(random, {size.rows, size.classes}, DType::kF32, -10, 10)),
        targets(tokens_both(random, {size.rows}, size.classes)),
        losses(Tensor::zeros({size.rows}, DType::kF64)),
        dlogits(Tensor::zeros({size.rows, size.classes}, DType::kF64)) {
    state.loss_scale = 8;
    run(cpu::Backend{}, cpu_queue(),
        CrossEntropy{logits.exact, targets.exact, losses, dlogits, 0.3, &state});
  }

  Both logits, targets;
  Tensor losses, dlogits;
  StepState state;
};

}  // namespace

TEST_CASE("The GPU's cross-entropy and its gradient agree with the specification",
          "[cross_entropy]") {
  Random random(std::random_device{}());
  for (const Size& size : kSizes) {
    const Problem p(size, random);
    const GpuState state(p.state);
    for (const DType dtype : kActivationTypes) {
      CAPTURE(name_of(dtype), size.rows, size.classes);
      GuardedGpu losses({size.rows}, DType::kF64), again({size.rows}, DType::kF64);
      GuardedGpu dlogits(p.logits.exact.shape(), dtype), dagain(p.logits.exact.shape(), dtype);
      run(cuda::Backend{}, gpu_queue(),
          CrossEntropy{p.logits.gpu, p.targets.gpu, losses, dlogits, 0.3, state.pointer()});
      run(cuda::Backend{}, gpu_queue(),
          CrossEntropy{p.logits.gpu, p.targets.gpu, again, dagain, 0.3, state.pointer()});
      CHECK(absolute_error(losses.values(), p.losses) <= kToleranceLoss);
      CHECK(absolute_error(dlogits.values(), p.dlogits) <= kScale * stored_tolerance(dtype));
      CHECK((losses.intact() && dlogits.intact()));
      CHECK(same_bits(losses.bits(), again.bits()));
      CHECK(same_bits(dlogits.bits(), dagain.bits()));
    }
  }
}

TEST_CASE("On the GPU the gradient may overwrite the logits, or be left out", "[cross_entropy]") {
  Random random(10);
  for (const Size& size : kSizes) {
    CAPTURE(size.rows, size.classes);
    const Problem p(size, random);
    const GpuState state(p.state);
    const Tensor start = rounded(p.logits.exact, DType::kF32);
    GuardedGpu logits(start.view()), losses({size.rows}, DType::kF64),
        alone({size.rows}, DType::kF64);
    run(cuda::Backend{}, gpu_queue(),
        CrossEntropy{.logits = logits, .targets = p.targets.gpu, .losses = alone});
    run(cuda::Backend{}, gpu_queue(),
        CrossEntropy{logits, p.targets.gpu, losses, logits, 0.3, state.pointer()});
    CHECK(absolute_error(losses.values(), p.losses) <= kToleranceLoss);
    CHECK(same_bits(losses.bits(), alone.bits()));
    CHECK(absolute_error(logits.values(), p.dlogits) <= kScale * stored_tolerance(DType::kF32));
    CHECK(logits.intact());
  }
}

TEST_CASE("Without a state the loss scale on the GPU is 1", "[cross_entropy]") {
  Random random(11);
  const Problem p({33, 256}, random);
  GuardedGpu losses({33}, DType::kF64), dlogits({33, 256}, DType::kF32);
  run(cuda::Backend{}, gpu_queue(),
      CrossEntropy{p.logits.gpu, p.targets.gpu, losses, dlogits, 0.3 * 8, nullptr});
  CHECK(absolute_error(dlogits.values(), p.dlogits) <= kScale * stored_tolerance(DType::kF32));
}
