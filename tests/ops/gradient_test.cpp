// The gradient of every op, for all inputs and parameters (tests/gradient_check.h says how close).
#include <optional>

#include "../catch.h"
#include "../gradient_check.h"
#include "../kernels/attention_reference.h"
#include "lacuna/ops/ops.h"

using namespace lacuna;
using Run = Differentiable::Run;

namespace {

constexpr int64_t kBatch = 2, kLength = 3, kWidth = 5;

struct Source {
  explicit Source(uint64_t seed) : random(seed) {}
  Tensor activations(int64_t width = kWidth) {
    return random.tensor<double>({kBatch, kLength, width});
  }
  Tensor vector(int64_t size = kWidth) { return random.tensor<double>({size}); }
  Tensor matrix(int64_t rows, int64_t columns) { return random.tensor<double>({rows, columns}); }
  Random random;
};

constexpr Activation kGelu = Activation::kQuickGelu;

}  // namespace

TEST_CASE("The gradient of linear is right, with and without bias and activation") {
  Source source(1300);
  for (const bool bias : {true, false}) {
    for (const bool activated : {false, true}) {
      CAPTURE(bias, activated);
      std::vector<Tensor> parameters{source.matrix(4, kWidth)};
      if (bias) parameters.push_back(source.vector(4));
      Differentiable op({source.activations()}, parameters, [&](Run& run) {
        const Parameter& weight = run.parameters[0];
        const Parameter added = bias ? run.parameters[1] : Parameter{};
        const Variable& x = run.inputs[0];
        run.weigh(activated ? ops::activated_linear(run.tape, x, weight, added, kGelu).first
                            : ops::linear(run.tape, x, weight, added));
      });
      CHECK(gradient_fault(op) == "");
    }
  }
}

TEST_CASE("The gradient of layer_norm is right") {
  Source source(1301);
  Differentiable op({source.activations()}, {source.vector(), source.vector()}, [](Run& run) {
    run.weigh(
        ops::layer_norm(run.tape, run.inputs[0], {run.parameters[0], run.parameters[1], 1e-3}));
  });
  CHECK(gradient_fault(op) == "");
}

TEST_CASE("The gradient of residual_norm is right, with dropout, whether or not the sum is read") {
  StepState state;
  state.inputs.dropout_key = random_key(1, RandomUse::kDropout, 2);
  state.inputs.first_sample = 5;
  Source source(1302);
  for (const double rate : {0.0, 0.4}) {
    for (const bool sum_is_read : {true, false}) {
      CAPTURE(rate, sum_is_read);
      Differentiable op({source.activations(), source.activations()},
                        {source.vector(), source.vector()}, [&](Run& run) {
                          const auto [sum, y] = ops::residual_norm(
                              run.tape, run.inputs[0], run.inputs[1],
                              {run.parameters[0], run.parameters[1], 1e-3}, {rate, 3, &state});
                          if (sum_is_read) run.weigh(sum);
                          run.weigh(y);
                        });
      CHECK(gradient_fault(op) == "");
    }
  }
}

TEST_CASE("The gradient of attention is right for every pattern") {
  uint64_t seed = 1303;
  for (const char* text : kAttentionPatterns) {
    CAPTURE(text);
    constexpr int64_t kT = 17, kHeads = 2;
    const HeadPasses passes = sparse::head_passes(*sparse::parse_pattern(text), kHeads, kT);
    Random random(seed++);
    // Two heads, queries and keys of 2, values of 3.
    Differentiable op({random.tensor<double>({1, kT, 2 * 4 + 6}, -1.5, 1.5)}, {}, [&](Run& run) {
      run.weigh(ops::attention(run.tape, run.inputs[0], 4, passes).first);
    });
    CHECK(gradient_fault(op) == "");
  }
}

TEST_CASE("The gradient of attention is right for sequences shorter than the stride, and batches") {
  for (const int64_t length : {1, 2, 5}) {
    CAPTURE(length);
    const HeadPasses passes =
        sparse::head_passes(*sparse::parse_pattern("strided(4) | fixed(4, 2)"), 4, length);
    Random random(1400);
    Differentiable op({random.tensor<double>({3, length, 2 * 4 + 8})}, {}, [&](Run& run) {
      run.weigh(ops::attention(run.tape, run.inputs[0], 4, passes).first);
    });
    CHECK(gradient_fault(op) == "");
  }
}

TEST_CASE("The gradient of embedding is right with one, two and three position tables") {
  for (const std::vector<int64_t>& sizes :
       {std::vector<int64_t>{8}, std::vector<int64_t>{2, 4}, std::vector<int64_t>{2, 2, 2}}) {
    CAPTURE(sizes);
    Source source(1305);
    const Tensor tokens = source.random.tokens({kBatch, 8}, 3);  // tokens repeat
    std::vector<Tensor> parameters{source.matrix(4, kWidth), source.vector()};
    for (const int64_t size : sizes) parameters.push_back(source.matrix(size, kWidth));
    Differentiable op({}, parameters, [&](Run& run) {
      ops::EmbeddingTables tables{run.parameters[0], run.parameters[1], {}};
      tables.position.assign(run.parameters.begin() + 2, run.parameters.end());
      run.weigh(ops::embedding(run.tape, tokens, tables));
    });
    CHECK(gradient_fault(op) == "");
  }
}

TEST_CASE("The gradient of cross_entropy is right, and scaled") {
  Source source(1306);
  const Tensor targets = source.random.tokens({kBatch, kLength}, 7);
  constexpr double kScale = 0.3;
  Differentiable op({source.activations(7)}, {}, [&](Run& run) {
    const Tensor losses = ops::cross_entropy(run.tape, run.inputs[0], targets, kScale);
    if (losses.view().raw() == nullptr) return;
    for (const double loss : elements<double>(losses)) run.loss += kScale * loss;
  });
  CHECK(gradient_fault(op) == "");
}

TEST_CASE("A variable and a parameter that are used several times gather all their gradients") {
  Source source(1307);
  Differentiable op(
      {source.activations()}, {source.matrix(kWidth, kWidth), source.vector(), source.vector()},
      [](Run& run) {
        const Variable& x = run.inputs[0];
        const ops::Norm norm{run.parameters[1], run.parameters[2], 1e-3};
        const Variable once = ops::linear(run.tape, x, run.parameters[0], run.parameters[1]);
        const Variable twice =
            ops::activated_linear(run.tape, once, run.parameters[0], {}, kGelu).first;
        // The same variable as residual and branch, and read by three ops more.
        const auto [sum, y] = ops::residual_norm(run.tape, x, x, norm, {});
        run.weigh(ops::layer_norm(run.tape, x, norm));
        run.weigh(twice);
        run.weigh(once);
        run.weigh(sum);
        run.weigh(y);
      });
  CHECK(gradient_fault(op) == "");
}

TEST_CASE("The gradient of a whole block is right") {
  StepState state;
  state.inputs.dropout_key = random_key(4, RandomUse::kDropout, 1);
  constexpr int64_t kC = 4, kT = 7, kV = 3;
  const HeadPasses passes =
      sparse::head_passes(*sparse::parse_pattern("fixed(4, 1) | strided(3)"), 2, kT);
  Source source(1308);
  const Tensor tokens = source.random.tokens({kBatch, kT}, kV);
  const std::vector<Tensor> parameters{
      source.matrix(kV, kC), source.vector(kC), source.matrix(kT, kC),  // embedding
      source.vector(kC),     source.vector(kC),                         // norm
      source.matrix(8, kC),  source.vector(8),                          // q, k of 2, v of 4
      source.matrix(kC, kC), source.vector(kC),                         // projection
      source.vector(kC),     source.vector(kC),                         // norm
      source.matrix(kV, kC),                                            // head
  };
  Differentiable op({}, parameters, [&](Run& run) {
    const auto& p = run.parameters;
    const Variable x = ops::embedding(run.tape, tokens, {p[0], p[1], {p[2]}});
    Variable branch = ops::layer_norm(run.tape, x, {p[3], p[4]});
    branch = ops::linear(run.tape, branch, p[5], p[6]);
    branch = ops::attention(run.tape, branch, 2, passes).first;
    branch = ops::linear(run.tape, branch, p[7], p[8]);
    const auto [sum, y] = ops::residual_norm(run.tape, x, branch, {p[9], p[10]}, {0.25, 0, &state});
    const Variable logits = ops::linear(run.tape, y, p[11], {});
    const Tensor losses = ops::cross_entropy(run.tape, logits, tokens, 1);
    if (losses.view().raw() == nullptr) return;
    for (const double loss : elements<double>(losses)) run.loss += loss;
  });
  CHECK(gradient_fault(op) == "");
  CHECK(op.evaluate_plan().total < op.train_plan().total);
}
