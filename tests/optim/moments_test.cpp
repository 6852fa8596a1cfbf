// Moments in bf16: rounding at random, and what it is for.
#include "lacuna/kernels/moments.h"

#include <bit>
#include <cmath>

#include "../catch.h"
#include "../compare.h"
#include "../random_tensor.h"
#include "lacuna/kernels/adamw.h"
#include "lacuna/kernels/lion.h"

using namespace lacuna;

namespace {

float rounded(float value, uint32_t random) {
  return to_f32(BFloat16{rounded_at_random(std::bit_cast<uint32_t>(value), random)});
}

/// `count` weights that an AdamW with moments in bf16 updates.
struct Problem {
  explicit Problem(int64_t count, DType moments = DType::kBF16)
      : weight(Tensor::zeros({count}, DType::kF32)),
        gradient(Tensor::zeros({count}, DType::kF32)),
        mean(Tensor::zeros({count}, moments)),
        variance(Tensor::zeros({count}, moments)) {}

  AdamW op(int64_t begin, int64_t count) {
    const auto part = [&](const Tensor& all) { return all.view().slice(0, begin, count); };
    return {.range = {.weight = part(weight), .gradient = part(gradient), .begin = begin},
            .mean = part(mean),
            .variance = part(variance),
            .rate = rate,
            .state = &state};
  }
  void step(uint64_t seed, int64_t number, int threads = 2) {
    state.inputs.rounding_key = random_key(seed, RandomUse::kRounding, uint64_t(number));
    state.updates = number;
    state.learning_rate = 0.01;
    Queue queue = Queue::cpu(threads);
    launch(queue, op(0, weight.shape().count()));
  }
  double mean_variance() const {
    double sum = 0;
    const auto* values = variance.view().data<BFloat16>();
    for (int64_t i = 0; i < variance.shape().count(); ++i) sum += to_f32(values[i]);
    return sum / double(variance.shape().count());
  }
  std::vector<uint16_t> bits() const {
    std::vector<uint16_t> all;
    for (const Tensor* moment : {&mean, &variance}) {
      const auto* values = moment->view().data<BFloat16>();
      for (int64_t i = 0; i < moment->shape().count(); ++i) all.push_back(values[i].bits);
    }
    return all;
  }
  void fill_gradients(uint64_t seed) {
    Random random(seed);
    float* values = gradient.view().data<float>();
    for (int64_t i = 0; i < gradient.shape().count(); ++i) {
      values[i] = float(random.uniform(-1, 1));
    }
  }

  Tensor weight, gradient, mean, variance, rate = Tensor::zeros({1}, DType::kF64);
  StepState state;
};

}  // namespace

TEST_CASE("rounding at random goes to the two neighbours so often that the mean stays",
          "[moments]") {
  for (const float value : {1.00390625F, 0.3F, -0.3F, 1e-30F, -7.25e20F, 1.9999999F, 1e-41F}) {
    CAPTURE(value);
    const auto towards_zero = std::bit_cast<float>(std::bit_cast<uint32_t>(value) & 0xFFFF0000U);
    const auto away =
        std::bit_cast<float>((std::bit_cast<uint32_t>(value) & 0xFFFF0000U) + 0x10000U);
    double sum = 0;
    bool neighbours = true;
    for (uint32_t random = 0; random < 0x10000; ++random) {
      const float got = rounded(value, random);
      neighbours = neighbours && (got == towards_zero || got == away);
      sum += double(got) / 0x10000;
    }
    CHECK(neighbours);
    CHECK(sum == Approx(double(value)).epsilon(1e-12).margin(0));
  }
}

TEST_CASE("rounding at random keeps what bf16 has: its own numbers, infinity and NaN",
          "[moments]") {
  constexpr float kInfinite = std::numeric_limits<float>::infinity();
  for (const uint32_t random : {0U, 1U, 0x8000U, 0xFFFFU}) {
    for (const float value : {0.0F, -0.0F, 1.0F, -0.4375F, 0x1.FEp127F, kInfinite, -kInfinite}) {
      CHECK(std::bit_cast<uint32_t>(rounded(value, random)) == std::bit_cast<uint32_t>(value));
    }
    for (const uint32_t nan : {0x7FC00000U, 0x7F800001U, 0xFFFFFFFFU}) {
      CHECK(std::isnan(rounded(std::bit_cast<float>(nan), random)));
    }
  }
}

TEST_CASE(
    "a variance in bf16 shrinks at the rate of beta2, which it would not when rounded to the "
    "nearest",
    "[moments]") {
  constexpr int64_t kCount = 20'000;
  Problem problem(kCount);
  auto* variances = problem.variance.view().data<BFloat16>();
  for (int64_t i = 0; i < kCount; ++i) variances[i] = to_bf16(1.25F);
  CHECK(to_f32(to_bf16(0.999F * 1.25F)) == 1.25F);
  for (int64_t step = 1; step <= 700; ++step) problem.step(1, step);  // of no gradient
  CHECK(problem.mean_variance() == Approx(1.25 * std::pow(0.999, 700)).epsilon(0.005));
}

TEST_CASE("moments in bf16 are a function of seed, step and element alone", "[moments]") {
  constexpr int64_t kCount = 20'011;
  const auto results = [&](uint64_t seed, int64_t first_step, int threads) {
    Problem problem(kCount);
    for (int64_t i = 0; i < 3; ++i) {
      problem.fill_gradients(uint64_t(i));
      problem.step(seed, first_step + i, threads);
    }
    return problem.bits();
  };
  const auto one = results(1, 1, 1);
  CHECK(same_bits(one, results(1, 1, 2)));
  CHECK(same_bits(one, results(1, 1, 3)));
  CHECK_FALSE(same_bits(one, results(2, 1, 1)));
  CHECK_FALSE(same_bits(one, results(1, 2, 1)));
  // In two ranges, the later one first.
  Problem parts(kCount);
  for (int64_t i = 0; i < 3; ++i) {
    parts.fill_gradients(uint64_t(i));
    parts.state.inputs.rounding_key = random_key(1, RandomUse::kRounding, uint64_t(1 + i));
    parts.state.updates = 1 + i;
    parts.state.learning_rate = 0.01;
    Queue queue = Queue::cpu(2);
    launch(queue, parts.op(4096, kCount - 4096));
    launch(queue, parts.op(0, 4096));
  }
  CHECK(same_bits(one, parts.bits()));
}

TEST_CASE("each moment of each element is rounded by half-words of its own", "[moments]") {
  constexpr int64_t kCount = 4096;
  Problem problem(kCount);
  float* gradients = problem.gradient.view().data<float>();
  std::fill_n(gradients, kCount, 1.1F);
  problem.step(1, 1);
  // All elements had the same numbers: up or down is as good as a coin's toss for each.
  const auto* means = problem.mean.view().data<BFloat16>();
  const auto* variances = problem.variance.view().data<BFloat16>();
  const auto ups = [&](const BFloat16* moments) {
    uint16_t least = 0xFFFF;
    for (int64_t i = 0; i < kCount; ++i) least = std::min(least, moments[i].bits);
    std::vector<int> up;
    for (int64_t i = 0; i < kCount; ++i) up.push_back(moments[i].bits - least);
    return up;
  };
  const std::vector<int> mean_ups = ups(means), variance_ups = ups(variances);
  double equal_neighbours = 0, both = 0, mean_share = 0, variance_share = 0;
  for (size_t i = 0; i < kCount; ++i) {
    mean_share += mean_ups[i] / double(kCount);
    variance_share += variance_ups[i] / double(kCount);
    both += mean_ups[i] * variance_ups[i] / double(kCount);
    equal_neighbours += mean_ups[i] * mean_ups[(i + 1) % kCount] / double(kCount);
  }
  CHECK((mean_share > 0.1 && mean_share < 0.9));
  CHECK((variance_share > 0.1 && variance_share < 0.9));
  CHECK(both == Approx(mean_share * variance_share).margin(0.03));
  CHECK(equal_neighbours == Approx(mean_share * mean_share).margin(0.03));
}

TEST_CASE("moments in bf16 are rounded after their use: a first update is that of f32",
          "[moments]") {
  Problem narrow(1000), wide(1000, DType::kF32);
  for (Problem* problem : {&narrow, &wide}) {
    problem->fill_gradients(1);
    problem->step(1, 1);
  }
  CHECK(same_bits(elements<float>(narrow.weight), elements<float>(wide.weight)));
}
