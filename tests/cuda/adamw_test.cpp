// The GPU's AdamW against the CPU in f64, over several updates.
#include "lacuna/kernels/adamw.h"

#include "../catch.h"
#include "../compare.h"
#include "layer_tolerances.h"
#include "parity.h"

using namespace parity;

namespace {

/// Flat buffers on both sides. With `first` = 1 the GPU's begin at their second element, so that
/// nothing is aligned.
struct Problem {
  Problem(int64_t count, DType rounded_type, int64_t offset, Random& random)
      : n(count),
        first(offset),
        weight(rounded(draw(random, 1), DType::kF32)),
        moment(rounded(draw(random, 0.1), DType::kF32)),
        variance(rounded(random.tensor<double>({n + first}, 0, 0.1), DType::kF32)),
        average(rounded(draw(random, 1), DType::kF32)),
        decays(Tensor::zeros({(n + kDecayGroup - 1) / kDecayGroup}, DType::kU8)),
        weight_gpu(weight.view()),
        moment_gpu(moment.view()),
        variance_gpu(variance.view()),
        average_gpu(average.view()),
        rounded_gpu({n + first}, rounded_type),
        decays_gpu(gpu_queue().zeros(decays.shape(), DType::kU8)),
        exact_weight(widened(weight)),
        exact_moment(widened(moment)),
        exact_variance(widened(variance)),
        exact_average(widened(average)) {
    for (int64_t i = 0; i < decays.view().count(); ++i) {
      decays.view().data<uint8_t>()[i] = static_cast<uint8_t>(random.below(2));
    }
    gpu_queue().upload(decays_gpu, decays.view().raw());
  }

  /// Of either sign; a single number is positive, because sums that cancel need neighbours to be
  /// measured by.
  Tensor draw(Random& random, double most) const {
    return random.tensor<double>({n + first}, n == 1 ? most / 10 : -most, most);
  }
  View from(const View& view) const { return view.slice(0, first, n); }

  void update(const StepState& state, bool all, Random& random) {
    const Both gradient = both(draw(random, 2), DType::kF32);
    const GpuState on_gpu(state);
    AdamW op{.beta1 = 0.9, .beta2 = 0.95, .eps = 1e-6, .decay = 0.1};
    AdamW gpu = op;
    op.weight = from(exact_weight), op.gradient = from(gradient.exact);
    op.mean = from(exact_moment), op.variance = from(exact_variance), op.state = &state;
    gpu.weight = from(weight_gpu), gpu.gradient = from(gradient.gpu);
    gpu.mean = from(moment_gpu), gpu.variance = from(variance_gpu), gpu.state = on_gpu.pointer();
    if (all) {
      op.average = from(exact_average), gpu.average = from(average_gpu);
      op.decays = decays, gpu.decays = decays_gpu;
      gpu.rounded = from(rounded_gpu);
    }
    run(cpu::Backend{}, cpu_queue(), op);
    run(cuda::Backend{}, gpu_queue(), gpu);
  }

  void check() const {
    CHECK(relative_error(weight_gpu.values(), elements<double>(exact_weight)) <= kTolerance32);
    CHECK(relative_error(moment_gpu.values(), elements<double>(exact_moment)) <= kTolerance32);
    CHECK(relative_error(variance_gpu.values(), elements<double>(exact_variance)) <= kTolerance32);
    CHECK(relative_error(average_gpu.values(), elements<double>(exact_average)) <= kTolerance32);
    CHECK((weight_gpu.intact() && moment_gpu.intact() && variance_gpu.intact() &&
           average_gpu.intact() && rounded_gpu.intact()));
  }

  int64_t n, first;
  Tensor weight, moment, variance, average, decays;
  GuardedGpu weight_gpu, moment_gpu, variance_gpu, average_gpu, rounded_gpu;
  Tensor decays_gpu;
  Tensor exact_weight, exact_moment, exact_variance, exact_average;
};

StepState updating() {
  StepState state;
  state.learning_rate = 0.01;
  state.gradient_scale = 0.25;
  state.average_decay = 0.9;
  return state;
}

}  // namespace

TEST_CASE("AdamW on the GPU agrees with the specification", "[adamw]") {
  Random random(std::random_device{}());
  for (const int64_t n : {1, 31, 33, 255, 257, 4096, 100003}) {
    for (const DType rounded_type : {DType::kBF16, DType::kF16}) {
      for (const int64_t first : {0, 1}) {
        CAPTURE(n, name_of(rounded_type), first);
        Problem p(n, rounded_type, first, random);
        for (int step = 0; step < 4; ++step) p.update(updating(), true, random);
        p.check();
        const Tensor weight = gpu_queue().to_host(p.weight_gpu.view());
        const Tensor wanted = rounded(p.from(weight), rounded_type);
        CHECK(same_bits(exact_values(p.from(p.rounded_gpu)), elements<double>(widened(wanted))));
      }
    }
  }
}

TEST_CASE("AdamW on the GPU does without average, rounded copy and decay marks", "[adamw]") {
  Random random(13);
  Problem p(1000, DType::kBF16, 0, random);
  for (int step = 0; step < 3; ++step) p.update(updating(), false, random);
  p.check();
}

TEST_CASE("AdamW on the GPU does nothing after a skipped step", "[adamw]") {
  Random random(14);
  Problem p(1000, DType::kBF16, 0, random);
  const auto before = std::vector{p.weight_gpu.bits(), p.moment_gpu.bits(), p.variance_gpu.bits(),
                                  p.average_gpu.bits(), p.rounded_gpu.bits()};
  StepState state = updating();
  state.skipped = 1;
  p.update(state, true, random);
  CHECK(before == std::vector{p.weight_gpu.bits(), p.moment_gpu.bits(), p.variance_gpu.bits(),
                              p.average_gpu.bits(), p.rounded_gpu.bits()});
}
