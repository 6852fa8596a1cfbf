// What an op hands to its kernels: a wrong number that forward and backward share would pass every
// check of gradients.
#include <numeric>

#include "../catch.h"
#include "../compare.h"
#include "../kernels/attention_reference.h"
#include "../random_tensor.h"
#include "lacuna/ops/ops.h"

using namespace lacuna;

namespace {

/// Runs `op` on variables holding `inputs`, evaluating; results in memory of the right size.
std::vector<double> result_of(const std::vector<Tensor>& inputs,
                              const std::function<Variable(Tape&, std::vector<Variable>&)>& op) {
  const auto run = [&](Queue queue, Arena& arena) {
    Tape tape(queue, arena, Tape::Mode::kForward);
    std::vector<Variable> variables;
    for (const Tensor& input : inputs) variables.push_back(tape.variable(input));
    const Variable y = op(tape, variables);
    return y.value.view().raw() == nullptr ? std::vector<double>() : elements<double>(y.value);
  };
  Arena recorder;
  run(Queue::dry(), recorder);
  Arena arena(recorder.plan());
  return run(Queue::cpu(1), arena);
}

Parameter frozen(const Tensor& value) {
  return {value, {}};
}

}  // namespace

TEST_CASE(
    "attention scales its logits by the root of one head's query width, and splits the heads") {
  const AttentionCase c{"fixed(4, 1) | local(3)", 9, 2, 4, 3, 5};
  AttentionProblem<double> p(c, 1500);
  // The reference scales by c.scale(); fold the rest into the queries.
  const Tensor fused = copy_of<double>(p.fused);
  const AttentionIndex at{c};
  for (int64_t b = 0; b < c.batch; ++b) {
    for (int64_t t = 0; t < c.length; ++t) {
      for (int64_t d = 0; d < c.heads * c.qk; ++d) {
        p.fused.view().data<double>()[at.q(b, t, 0, d)] /= c.scale() * std::sqrt(3.0);
      }
    }
  }
  const std::vector<double> y = result_of({fused}, [&](Tape& tape, std::vector<Variable>& x) {
    return ops::attention(tape, x[0], c.heads * c.qk, p.passes).first;
  });
  CHECK(relative_error(y, attention_formulas(p).y) < 1e-13);
}

TEST_CASE("layer_norm and residual_norm use the eps, and residual_norm the dropout, of the call") {
  Random random(1501);
  const int64_t width = 6;
  const Tensor x = random.tensor<double>({2, 3, width}),
               branch = random.tensor<double>({2, 3, width});
  const Tensor gain = random.tensor<double>({width}), bias = random.tensor<double>({width});
  const ops::Norm norm{frozen(gain), frozen(bias), 0.25};
  StepState state;
  state.inputs.dropout_key = random_key(2, RandomUse::kDropout, 1);
  state.inputs.first_sample = 40;
  const double rate = 0.5;
  const uint32_t site = 3;

  std::vector<double> sum = elements<double>(x);
  const auto normed = [&] {
    std::vector<double> y = sum;
    for (auto row = y.begin(); row != y.end(); row += width) {
      const double mean = std::accumulate(row, row + width, 0.0) / width;
      double variance = 0;
      for (int64_t j = 0; j < width; ++j) variance += (row[j] - mean) * (row[j] - mean) / width;
      for (int64_t j = 0; j < width; ++j) {
        row[j] = (row[j] - mean) / std::sqrt(variance + 0.25) * gain.view().data<double>()[j] +
                 bias.view().data<double>()[j];
      }
    }
    return y;
  };
  const std::vector<double> plain = result_of(
      {x}, [&](Tape& tape, std::vector<Variable>& v) { return ops::layer_norm(tape, v[0], norm); });
  CHECK(relative_error(plain, normed()) < 1e-14);

  for (size_t i = 0; i < sum.size(); ++i) {
    const size_t per_sample = 3 * width, e = i % per_sample;
    const PhiloxCounter words = random_words(state.inputs.dropout_key, 40 + i / per_sample, site,
                                             static_cast<uint32_t>(e / 8));
    const uint32_t half = words[e % 8 / 2] >> (e % 2 == 0 ? 0 : 16);
    if ((half & 0x4000) != 0) sum[i] += 2 * branch.view().data<double>()[i];
  }
  const Dropout dropout{rate, site, &state};
  const auto seam = [&](bool first) {
    return result_of({x, branch}, [&](Tape& tape, std::vector<Variable>& v) {
      const auto results = ops::residual_norm(tape, v[0], v[1], norm, dropout);
      return first ? results.first : results.second;
    });
  };
  CHECK(relative_error(seam(true), sum) < 1e-14);
  CHECK(relative_error(seam(false), normed()) < 1e-14);
}

TEST_CASE("An affine layer uses the bias and the activation of the call") {
  Random random(1502);
  const Tensor x = random.tensor<double>({1, 1, 1}), weight = random.tensor<double>({1, 1});
  const Tensor bias = random.tensor<double>({1});
  const auto run = [&](bool with_bias, bool activated) {
    return result_of({x}, [&](Tape& tape, std::vector<Variable>& v) {
      const Parameter added = with_bias ? frozen(bias) : Parameter{};
      return activated
                 ? ops::activated_linear(tape, v[0], frozen(weight), added, Activation::kQuickGelu)
                       .first
                 : ops::linear(tape, v[0], frozen(weight), added);
    })[0];
  };
  const double z = x.view().data<double>()[0] * weight.view().data<double>()[0];
  const double b = bias.view().data<double>()[0];
  const auto gelu = [](double t) { return t / (1 + std::exp(-1.702 * t)); };
  CHECK(run(false, false) == Approx(z).epsilon(1e-14));
  CHECK(run(true, false) == Approx(z + b).epsilon(1e-14));
  CHECK(run(true, true) == Approx(gelu(z + b)).epsilon(1e-14));
}

TEST_CASE("cross_entropy leaves the logits alone when nothing is trained") {
  Random random(1503);
  const Tensor logits = random.tensor<double>({1, 3, 5}), targets = random.tokens({1, 3}, 5);
  const std::vector<double> before = elements<double>(logits);
  const std::vector<double> losses = result_of({logits}, [&](Tape& tape, std::vector<Variable>& v) {
    return Variable{ops::cross_entropy(tape, v[0], targets, 7), -1};
  });
  CHECK(same_bits(elements<double>(logits), before));
  for (size_t i = 0; i < 3; ++i) {
    double sum = 0;
    for (size_t j = 0; j < 5; ++j) sum += std::exp(before[5 * i + j]);
    const auto target = static_cast<size_t>(targets.view().data<int32_t>()[i]);
    CHECK(losses[i] == Approx(std::log(sum) - before[5 * i + target]).epsilon(1e-13));
  }
}
