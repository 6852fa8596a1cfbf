// Hidden, because it measures time: `lacuna_tests "[speed]"`. Processor time of one thread, so that
// other work on the machine disturbs it little.
#include <algorithm>
#include <ctime>
#include <optional>

#include "../catch.h"
#include "lacuna/ops/ops.h"
#include "lacuna/train/evaluator.h"
#include "memory_data.h"

using namespace lacuna;
using namespace lacuna::train;

namespace {

// The model of configs/enwik8-slice.toml.
nn::ModelConfig slice_model() {
  nn::ModelConfig wanted{.layers = 6, .heads = 6, .width = 192, .context = 512, .vocabulary = 256};
  wanted.attention = {"local(16)", "fixed(32, 8, 4)"};
  wanted.embedding_std = 1;
  return wanted.resolved();
}

// What a training step does before its backward pass: everything that pass needs is kept.
class TrainingForward {
 public:
  TrainingForward(const nn::Transformer& model, int64_t batch)
      : model_(model), tokens_(Tensor::zeros({batch, model.config().context}, DType::kI32)) {
    Queue dry = Queue::dry();
    Arena recorder;
    run(dry, recorder);
    arena_.emplace(recorder.plan());
  }

  void run(Queue& queue) {
    arena_->rewind();
    run(queue, *arena_);
  }

 private:
  void run(Queue& queue, Arena& arena) {
    Tape tape(queue, arena, Tape::Mode::kRecord);
    ops::cross_entropy(tape, model_.logits(tape, tokens_, &state_), tokens_, 1);
  }

  const nn::Transformer& model_;
  Tensor tokens_;
  StepState state_;
  std::optional<Arena> arena_;
};

template <class Work>
double seconds_of(const Work& work) {
  const std::clock_t start = std::clock();
  work();
  return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
}

}  // namespace

TEST_CASE("evaluating costs at most 1.1 times the forward part of training", "[.][speed]") {
  const nn::ModelConfig config = slice_model();
  const auto specs = nn::parameter_specs(config);
  nn::ParameterStore parameters(specs, DType::kF32, true);
  parameters.initialise(specs, 1);
  const nn::Transformer model(config, parameters);
  Queue queue = Queue::cpu(1);

  const int64_t batch = 2, batches = 4;
  const size_t positions = static_cast<size_t>(batch * batches * config.context);
  const MemoryData data(256, {}, counting_text(positions, 0));
  Program program = Program::evaluation(queue, model, batch);
  TrainingForward training(model, batch);
  double evaluation = 1e9, forward = 1e9;
  for (int repeat = 0; repeat < 30; ++repeat) {  // in turn, and the quietest of each counts
    evaluation =
        std::min(evaluation, seconds_of([&] {
                   const Evaluation result = evaluate(
                       program, model,
                       {.name = "valid", .part = data.part(Split::kValid), .medium = data.medium()},
                       [] { return false; });
                   CHECK(result.windows == batch * batches);
                 }));
    forward = std::min(forward, seconds_of([&] {
                         for (int64_t i = 0; i < batches; ++i) training.run(queue);
                       }));
  }
  WARN("milliseconds a window: evaluation "
       << 1e3 * evaluation / static_cast<double>(batch * batches) << ", forward part of training "
       << 1e3 * forward / static_cast<double>(batch * batches) << ", ratio "
       << evaluation / forward);
  CHECK(evaluation <= 1.1 * forward);
}
