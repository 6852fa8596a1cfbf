// What ops keep, and for how long, seen through an arena that records.
#include <functional>
#include <limits>
#include <tuple>

#include "../catch.h"
#include "../expect_error.h"
#include "../random_tensor.h"
#include "lacuna/ops/ops.h"
#include "lacuna/sparse/pattern.h"

using namespace lacuna;

namespace {

constexpr int64_t kForever = std::numeric_limits<int64_t>::max();
constexpr int64_t kBatch = 2, kLength = 8, kWidth = 8;

int64_t alive(const Arena& arena) {
  int64_t count = 0;
  for (const Lifetime& life : arena.plan().lifetimes) count += life.death == kForever ? 1 : 0;
  return count;
}

/// Zeroed parameters of one width, and tokens.
struct Weights {
  std::vector<Tensor> memory;
  Tensor tokens = Tensor::zeros({kBatch, kLength}, DType::kI32);

  Parameter make(const Shape& shape) {
    memory.push_back(Tensor::zeros(shape, DType::kF32));
    memory.push_back(Tensor::zeros(shape, DType::kF32));
    return {memory[memory.size() - 2], memory.back()};
  }
  Parameter matrix() { return make({kWidth, kWidth}); }
  Parameter vector() { return make({kWidth}); }
};

HeadPasses passes_of(int64_t heads) {
  return sparse::head_passes(*sparse::parse_pattern("strided(4)"), heads, kLength);
}

/// `layers` times norm, linear with activation and residual seam; then losses.
Tensor forward(Tape& tape, Weights& weights, int layers, const HeadPasses& passes) {
  Variable x = ops::embedding(tape, weights.tokens,
                              {weights.matrix(), weights.vector(), {weights.matrix()}});
  Variable y = ops::layer_norm(tape, x, {weights.vector(), weights.vector()});
  for (int layer = 0; layer < layers; ++layer) {
    Variable branch = ops::linear(tape, y, weights.make({2 * 4 + kWidth, kWidth}), {});
    branch = ops::attention(tape, branch, 4, passes).first;
    branch = ops::activated_linear(tape, branch, weights.matrix(), weights.vector(),
                                   Activation::kQuickGelu)
                 .first;
    std::tie(x, y) = ops::residual_norm(tape, x, branch, {weights.vector(), weights.vector()}, {});
  }
  return ops::cross_entropy(tape, y, weights.tokens, 1);
}

}  // namespace

TEST_CASE("A tape that evaluates keeps nothing: its memory does not grow with the depth") {
  const HeadPasses passes = passes_of(2);
  const auto plan = [&](int layers) {
    Queue queue = Queue::dry();
    Arena arena;
    Weights weights;
    {
      Tape tape(queue, arena, Tape::Mode::kForward);
      const Tensor losses = forward(tape, weights, layers, passes);
      CHECK(alive(arena) == 1);  // the losses
    }
    CHECK(alive(arena) == 0);
    return arena.plan();
  };
  CHECK(plan(2).total == plan(6).total);
  CHECK(plan(6).peak[MemoryTag::kActivationGradients] == 0);
  // At its fullest the projection of one layer with the stream it comes from; less than five rows
  // of the widest kind.
  CHECK(plan(6).total <= 5 * kBatch * kLength * 16 * sizeof(float));
}

TEST_CASE("A tape that trains keeps what backward needs, and nothing after it") {
  const HeadPasses passes = passes_of(2);
  const auto plan = [&](int layers) {
    Queue queue = Queue::dry();
    Arena arena;
    Weights weights;
    Tape tape(queue, arena, Tape::Mode::kRecord);
    {
      const Tensor losses = forward(tape, weights, layers, passes);
      CHECK(alive(arena) > 5 * layers);
      tape.backward();
      CHECK(alive(arena) == 1);  // the losses
    }
    CHECK(alive(arena) == 0);
    return arena.plan();
  };
  const size_t two = plan(2).total, four = plan(4).total, six = plan(6).total;
  CHECK(six - four == four - two);
  CHECK(four > two);
}

TEST_CASE("Each op keeps what its gradient needs, and not its result") {
  const HeadPasses passes = passes_of(2);
  // Tensors that are alive when the op's inputs and results have gone out of scope.
  const auto kept = [&](const std::function<void(Tape&, Weights&, const Variable& x)>& op,
                        int64_t width = kWidth) {
    Queue queue = Queue::dry();
    Arena arena;
    Weights weights;
    Tape tape(queue, arena, Tape::Mode::kRecord);
    const auto make = [&] {
      return tape.allocate({kBatch, kLength, width}, DType::kF32, MemoryTag::kInputs);
    };
    const auto replay = tape.replay(1, [&](std::vector<Tensor>& outputs) { outputs[0] = make(); });
    op(tape, weights, tape.variable(make(), {replay, 0}));
    return alive(arena);
  };
  CHECK(kept([](Tape& tape, Weights& weights, const Variable& x) {
          ops::linear(tape, x, weights.matrix(), weights.vector());
        }) == 1);  // x
  CHECK(kept([](Tape& tape, Weights& weights, const Variable& x) {
          ops::activated_linear(tape, x, weights.matrix(), weights.vector(),
                                Activation::kQuickGelu);
        }) == 2);  // x and the preactivation
  CHECK(kept([](Tape& tape, Weights& weights, const Variable& x) {
          ops::layer_norm(tape, x, {weights.vector(), weights.vector()});
        }) == 3);  // x, mean, rstd
  CHECK(kept([](Tape& tape, Weights& weights, const Variable& x) {
          ops::residual_norm(tape, x, x, {weights.vector(), weights.vector()}, {});
        }) == 3);  // the sum, mean, rstd
  CHECK(kept([&](Tape& tape, Weights&, const Variable& x) { ops::attention(tape, x, 4, passes); },
             2 * 4 + kWidth) == 3);  // q, k, v in one, y, lse
  CHECK(kept([](Tape& tape, Weights& weights, const Variable&) {
          ops::embedding(tape, weights.tokens,
                         {weights.matrix(), weights.vector(), {weights.matrix()}});
        }) == 0);
}

TEST_CASE("Wrong shapes are refused in the name of the op") {
  Queue queue = Queue::cpu(1);
  Arena arena;
  Weights weights;
  Tape tape(queue, arena, Tape::Mode::kRecord);
  const auto x = [&](const Shape& shape) {
    return tape.variable(Tensor::zeros(shape, DType::kF32));
  };
  const ops::Norm norm{weights.vector(), weights.vector()};
  const HeadPasses two_heads = passes_of(2);
  const auto refuse = [](const char* op, const std::function<void()>& action) {
    expect_error(ErrorKind::kInternal, op, action);
  };
  refuse("ops::linear", [&] { ops::linear(tape, x({1, 2, 7}), weights.matrix(), {}); });
  refuse("ops::linear", [&] {
    ops::linear(tape, x({1, 2, 8}), weights.matrix(), weights.make({7}));
  });
  refuse("ops::layer_norm", [&] { ops::layer_norm(tape, x({1, 2, 7}), norm); });
  refuse("ops::residual_norm", [&] {
    ops::residual_norm(tape, x({1, 2, 8}), x({1, 3, 8}), norm, {});
  });
  refuse("ops::residual_norm", [&] {
    ops::residual_norm(tape, x({1, 2, 6}), x({1, 2, 6}), norm, {});
  });
  refuse("ops::attention", [&] { ops::attention(tape, x({1, 8, 16}), 3, two_heads); });
  refuse("ops::attention", [&] { ops::attention(tape, x({1, 8, 9}), 4, two_heads); });
  refuse("ops::attention", [&] { ops::attention(tape, x({1, 8, 8}), 4, two_heads); });
  refuse("ops::attention", [&] { ops::attention(tape, x({1, 8, 16}), 4, {}); });
  refuse("ops::embedding", [&] {
    ops::embedding(tape, weights.tokens, {weights.matrix(), weights.vector(), {}});
  });
  refuse("ops::embedding", [&] {
    ops::embedding(tape, weights.tokens,
                   {weights.matrix(), weights.vector(), {weights.make({6, kWidth})}});
  });
  refuse("ops::cross_entropy", [&] {
    ops::cross_entropy(tape, x({kBatch, kLength - 1, 8}), weights.tokens, 1);
  });
}
