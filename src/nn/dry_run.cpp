// What a block, and what stands around the blocks, takes of memory: seen by running it over shapes.
#include <algorithm>
#include <functional>

#include "lacuna/nn/transformer.h"

namespace lacuna::nn {
namespace {

size_t bytes_in_arena(const Tensor& tensor) {
  return most_alive({{tensor.view().bytes(), MemoryTag::kActivations, 0, 1}}, 0);
}

}  // namespace

// A residual stream of a tape that records, with no memory behind it.
struct Transformer::DryRun {
  Queue queue = Queue::dry();
  Arena arena;
  Tape tape{queue, arena, Tape::Mode::kRecord};
  StepState state;
  Shape shape;  // [B, T, C]
  DType dtype;

  DryRun(const Transformer& model, int64_t batch)
      : shape{batch, model.config().context, model.config().width}, dtype(model.dtype()) {}

  Tensor tensor() { return arena.allocate(shape, dtype, MemoryTag::kActivations); }
  Variable variable() {
    const auto replay =
        tape.replay(1, [this](std::vector<Tensor>& outputs) { outputs[0] = tensor(); });
    return tape.variable(tensor(), {replay, 0});
  }
  size_t alive() const { return most_alive(arena.lifetimes(), arena.now()); }
  size_t most_since(int64_t begin) const { return most_alive(arena.lifetimes(), begin); }
};

KeepChoice Transformer::keep_choice(int64_t batch, BlockResults kept) const {
  DryRun dry(*this, batch);
  const int64_t layer = std::min<int64_t>(config_.layers, 2) - 1;
  KeptByBlock by_block(static_cast<size_t>(config_.layers), BlockResults::all());
  by_block[0] = BlockResults::none().with(BlockResult::kEntry);
  by_block[static_cast<size_t>(layer)] = kept;
  const Mode mode = training_mode(&dry.state, by_block);
  ResidualStream stream{dry.variable(), {}};
  size_t before = 0;
  if (layer > 0) {  // the block before, from which a dropped entry is made again
    stream = block(dry.tape, std::move(stream), 0, mode);
    before =
        dry.alive() - bytes_in_arena(stream.residual.value) - bytes_in_arena(stream.branch.value);
  }
  KeepChoice choice{.kept = kept};
  int64_t begin = dry.arena.now();
  dry.tape.record([&] { choice.backward = dry.most_since(begin) - before; });
  stream = block(dry.tape, std::move(stream), layer, mode);
  choice.forward = dry.most_since(begin) - before;
  const Variable residual = stream.residual.without_value(), branch = stream.branch.without_value();
  stream = {};
  choice.bytes = dry.alive() - before;
  begin = dry.arena.now();
  dry.tape.add_gradient(residual, dry.tensor());
  dry.tape.add_gradient(branch, dry.tensor());
  dry.tape.backward();
  return choice;
}

ChainCosts Transformer::chain_costs(int64_t batch,
                                    std::vector<std::vector<KeepChoice>> blocks) const {
  ChainCosts costs{.blocks = std::move(blocks)};
  DryRun dry(*this, batch);
  costs.entry = bytes_in_arena(dry.tensor());
  const int64_t begin = dry.arena.now();
  dry.tape.record([&] { costs.head = dry.most_since(begin); });
  ResidualStream stream{dry.variable(), dry.variable()};
  Variable logits = head(dry.tape, std::move(stream), training_mode(&dry.state, {}));
  const View tokens(nullptr, DType::kI32, {batch, config_.context});
  const Tensor losses = ops::cross_entropy(dry.tape, logits, tokens, 1, &dry.state, dtype());
  costs.losses = bytes_in_arena(losses);
  logits = {};
  dry.tape.backward();
  return costs;
}

}  // namespace lacuna::nn
