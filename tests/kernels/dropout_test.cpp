// Dropout lives in the residual seam. With a residual of zero the seam's sum is the dropped branch.
#include "../catch.h"
#include "../compare.h"
#include "../random_tensor.h"
#include "lacuna/kernels/residual_norm.h"

using namespace lacuna;

namespace {

struct Result {
  std::vector<double> sum, dresidual, dbranch;
};

/// `branch` [B, T, C] through the seam and back, with a random gradient of the sum.
Result run(const View& branch, const Dropout& dropout) {
  const Shape& shape = branch.shape();
  const int64_t width = shape.back(), rows = shape[0] * shape[1];
  Random random(5);
  const Tensor zero = Tensor::zeros(shape, DType::kF64), dy = random.tensor<double>(shape);
  const Tensor dsum = random.tensor<double>(shape), gain = random.tensor<double>({width});
  const Tensor bias = Tensor::zeros({width}, DType::kF64),
               dgain = Tensor::zeros({width}, DType::kF64);
  const Tensor dbias = Tensor::zeros({width}, DType::kF64);
  Guarded<double> sum(shape), y(shape), mean({rows}), rstd({rows}), dresidual(shape),
      dbranch(shape);
  Queue queue = Queue::cpu(2);
  launch(queue, ResidualNormForward{.residual = zero,
                                    .branch = branch,
                                    .gain = gain,
                                    .bias = bias,
                                    .sum = sum,
                                    .y = y,
                                    .mean = mean,
                                    .rstd = rstd,
                                    .dropout = dropout});
  launch(queue, ResidualNormBackward{.sum = sum,
                                     .gain = gain,
                                     .mean = mean,
                                     .rstd = rstd,
                                     .dy = dy,
                                     .dsum = dsum,
                                     .dresidual = dresidual,
                                     .dbranch = dbranch,
                                     .dgain = dgain,
                                     .dbias = dbias,
                                     .dropout = dropout});
  return {sum.values(), dresidual.values(), dbranch.values()};
}

Tensor ones(const Shape& shape) {
  Tensor made = Tensor::zeros(shape, DType::kF64);
  std::fill_n(made.view().data<double>(), shape.count(), 1.0);
  return made;
}

StepState state_of(uint64_t step, uint64_t first_sample) {
  StepState state;
  state.inputs.dropout_key = random_key(3, RandomUse::kDropout, step);
  state.inputs.first_sample = first_sample;
  return state;
}

}  // namespace

TEST_CASE("Dropout keeps 1 - rate of the elements and divides them by it") {
  const StepState state = state_of(1, 0);
  const Shape shape{2, 100, 101};
  const auto n = static_cast<double>(shape.count());
  for (const double rate : {0.01, 0.25, 0.4, 0.9}) {
    CAPTURE(rate);
    const Result result = run(ones(shape), {.rate = rate, .site = 4, .state = &state});
    double kept = 0;
    for (const double value : result.sum) {
      if (value == 0) continue;
      kept += 1;
      // The rate is a multiple of 2^-15.
      const double rounded = std::round(rate * 32768) / 32768;
      CHECK(value == Approx(1 / (1 - rounded)).epsilon(1e-14));
    }
    CHECK(std::fabs(kept / n - (1 - rate)) < 5 * std::sqrt(rate * (1 - rate) / n));
  }
}

TEST_CASE("Which elements are dropped follows from the formula of the header") {
  const StepState state = state_of(9, (uint64_t{1} << 33) + 5);
  const Shape shape{3, 13, 7};  // rows begin in the middle of a group of eight
  const Dropout dropout{.rate = 0.4, .site = 6, .state = &state};
  const Result result = run(ones(shape), dropout);
  int wrong = 0;
  for (int64_t b = 0; b < 3; ++b) {
    for (int64_t e = 0; e < 13 * 7; ++e) {
      const PhiloxCounter words = random_words(state.inputs.dropout_key,
                                               state.inputs.first_sample + static_cast<uint64_t>(b),
                                               6, static_cast<uint32_t>(e / 8));
      const uint32_t word = words[static_cast<size_t>(e % 8 / 2)];
      const bool kept = (e % 2 == 0 ? word % 32768 : word / 65536 % 32768) >= 13107;  // 0.4 * 2^15
      if ((result.sum[static_cast<size_t>(b * 13 * 7 + e)] != 0) != kept) ++wrong;
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("The gradient passes exactly where the branch passed, with the same factor") {
  const StepState state = state_of(2, 17);
  const Result result = run(ones({2, 65, 9}), {.rate = 0.3, .site = 1, .state = &state});
  int wrong = 0;
  for (size_t i = 0; i < result.sum.size(); ++i) {
    const double wanted = result.dresidual[i] * result.sum[i];  // the branch was 1
    if (std::fabs(result.dbranch[i] - wanted) > 1e-14 * std::fabs(wanted)) ++wrong;
  }
  CHECK(wrong == 0);
}

TEST_CASE("A batch in two parts drops what the whole batch drops") {
  const Shape half{2, 11, 9};
  const StepState all = state_of(4, 10), second = state_of(4, 12);
  const std::vector<double> whole =
      run(ones({4, 11, 9}), {.rate = 0.5, .site = 2, .state = &all}).sum;
  std::vector<double> parts = run(ones(half), {.rate = 0.5, .site = 2, .state = &all}).sum;
  const std::vector<double> rest = run(ones(half), {.rate = 0.5, .site = 2, .state = &second}).sum;
  parts.insert(parts.end(), rest.begin(), rest.end());
  CHECK(same_bits(whole, parts));
}

TEST_CASE("Sites, steps and samples drop independently of each other") {
  const Shape shape{1, 100, 100};
  const auto mask = [&](uint64_t step, uint64_t sample, uint32_t site) {
    const StepState state = state_of(step, sample);
    return run(ones(shape), {.rate = 0.5, .site = site, .state = &state}).sum;
  };
  const std::vector<double> base = mask(1, 1, 1);
  for (const auto& other : {mask(2, 1, 1), mask(1, 2, 1), mask(1, 1, 2)}) {
    int agreeing = 0;
    for (size_t i = 0; i < base.size(); ++i) agreeing += base[i] == other[i] ? 1 : 0;
    CHECK(std::abs(agreeing - 5000) < 5 * 50);  // half of 10000, five deviations
  }
}

TEST_CASE("A rate of zero drops nothing and needs no state") {
  Random random(6);
  const Tensor branch = random.tensor<double>({2, 5, 7});
  const Result result = run(branch, {});
  CHECK(same_bits(result.sum, elements<double>(branch)));
  CHECK(same_bits(result.dbranch, result.dresidual));
}
