#include "lacuna/nn/transformer.h"

#include <tuple>
#include <utility>

#include "lacuna/base/text.h"

namespace lacuna::nn {
namespace {

constexpr double kBlockEps = 1e-5, kLastEps = 1e-6;

void note_progress(Tape& tape, StepPart part, int64_t layer, const StepState* state) {
  if (state == nullptr) return;
  launch(tape.queue(),
         NoteProgress{.part = part, .layer = static_cast<int32_t>(layer) + 1, .state = state});
}

}  // namespace

// What a block keeps. There is always something after the last block.
BlockResults Transformer::keeps(const Mode& mode, int64_t layer) const {
  const bool all = mode.kept.empty() || layer >= config_.layers;
  return all ? BlockResults::all() : mode.kept[static_cast<size_t>(layer)];
}

Transformer::Transformer(ModelConfig config, const ParameterStore& parameters)
    : config_(std::move(config)), parameters_(parameters) {
  for (const std::string& text : config_.attention) {
    passes_.push_back(
        sparse::head_passes(*sparse::parse_pattern(text), config_.heads, config_.context));
  }
}

Variable Transformer::logits(Tape& tape, const View& tokens, const StepState* state,
                             const KeptByBlock& kept, const GradientsReady& ready) const {
  require(tokens.size(1) == config_.context, "Transformer::logits",
          "the tokens have another length than the context");
  require(kept.empty() || kept.size() == static_cast<size_t>(config_.layers), "Transformer::logits",
          "what is kept is said of another number of blocks");
  return through_blocks(tape, ops::embedding(tape, tokens, tables(), dtype()),
                        training_mode(state, kept, ready));
}

Transformer::Mode Transformer::training_mode(const StepState* state, const KeptByBlock& kept,
                                             const GradientsReady& ready) const {
  const auto attention = [this](Tape& at, const Variable& qkv, int64_t layer) {
    return ops::attention(at, qkv, config_.qk_width, passes(layer));
  };
  return {state, false, attention, kept, ready};
}

Variable Transformer::decode(Tape& tape, const View& tokens, const DecodeCache& cache,
                             const DecodeState* state) const {
  const auto attention = [&](Tape& at, const Variable& qkv,
                             int64_t layer) -> std::pair<Variable, Result> {
    return {ops::attention_decode(at, qkv, config_.qk_width, cache.layer(layer), state), {}};
  };
  return through_blocks(tape, ops::embedding_decode(tape, tokens, tables(), state, dtype()),
                        {nullptr, true, attention, {}, {}});
}

ops::EmbeddingTables Transformer::tables() const {
  ops::EmbeddingTables tables{
      parameters_.at("embedding.token"), parameters_.at("embedding.start"), {}};
  for (size_t k = 0; k < config_.position_tables.size(); ++k) {
    tables.position.push_back(parameters_.at(str("embedding.position.", k)));
  }
  return tables;
}

Variable Transformer::through_blocks(Tape& tape, Variable embedded, const Mode& mode) const {
  ResidualStream stream{std::move(embedded), {}};
  for (int64_t layer = 0; layer < config_.layers; ++layer) {
    stream = block(tape, std::move(stream), layer, mode);
  }
  return head(tape, std::move(stream), mode);
}

Variable Transformer::head(Tape& tape, ResidualStream stream, const Mode& mode) const {
  const Variable x =
      enter(tape, stream, norm("norm", kLastEps), 2 * config_.layers - 1, mode.state);
  return ops::linear(tape, x, parameters_.at("head.weight"), {}, mode.rows_alone, wide(dtype()));
}

Transformer::ResidualStream Transformer::block(Tape& tape, ResidualStream stream, int64_t layer,
                                               const Mode& mode) const {
  note_progress(tape, StepPart::kForward, layer, mode.state);
  const ops::Norm entry_norm = norm(str("blocks.", layer, ".attention.norm"), kBlockEps);
  Variable input = enter(tape, stream, entry_norm, 2 * layer - 1, mode.state);
  const Result entry = stream.residual.result;
  stream = branches(tape, std::move(stream.residual), std::move(input), layer, mode);
  if (!tape.records()) return stream;

  tape.record([&tape, layer, state = mode.state, ready = mode.ready] {
    note_progress(tape, StepPart::kBackward, layer, state);
    if (ready) ready(layer);
  });
  if (!keeps(mode, layer).has(BlockResult::kEntry)) entry.drop();
  if (keeps(mode, layer + 1).has(BlockResult::kEntry)) return stream;
  // Whoever asks for the next entry runs this block once more, and keeps nothing else of it.
  const auto again = tape.replay(2, [=, this, &tape](std::vector<Tensor>& outputs) {
    Tape forward = tape.forward_only();
    Variable from = forward.variable(entry.tensor_alone());
    Variable normed = ops::layer_norm(forward, from, entry_norm);
    const auto [residual, branch] =
        branches(forward, std::move(from), std::move(normed), layer, mode);
    outputs = {residual.value, branch.value};
  });
  stream.residual.result = {again, 0};
  stream.branch.result = {again, 1};
  return stream;
}

Transformer::ResidualStream Transformer::branches(Tape& tape, Variable entry, Variable x,
                                                  int64_t layer, const Mode& mode) const {
  const std::string attention = str("blocks.", layer, ".attention");
  const std::string feedforward = str("blocks.", layer, ".feedforward");
  const auto keep_or_drop = [&](BlockResult which, const Result& result) {
    if (!keeps(mode, layer).has(which)) result.drop();
  };
  keep_or_drop(BlockResult::kAttentionInput, x.result);
  x = linear(tape, x, attention + ".qkv", mode.rows_alone);
  keep_or_drop(BlockResult::kProjection, x.result);
  Result lse;
  std::tie(x, lse) = mode.attention(tape, x, layer);
  keep_or_drop(BlockResult::kAttention, x.result);
  keep_or_drop(BlockResult::kAttention, lse);
  ResidualStream stream{std::move(entry), linear(tape, x, attention + ".project", mode.rows_alone)};

  x = enter(tape, stream, norm(feedforward + ".norm", kBlockEps), 2 * layer, mode.state);
  keep_or_drop(BlockResult::kMiddle, stream.residual.result);
  keep_or_drop(BlockResult::kFeedForwardInput, x.result);
  Result preactivation;
  std::tie(x, preactivation) = ops::activated_linear(
      tape, x, parameters_.at(feedforward + ".up.weight"), parameters_.at(feedforward + ".up.bias"),
      Activation::kQuickGelu, mode.rows_alone);
  keep_or_drop(BlockResult::kPreactivation, preactivation);
  keep_or_drop(BlockResult::kActivation, x.result);
  stream.branch = linear(tape, x, feedforward + ".down", mode.rows_alone);
  return stream;
}

int64_t Transformer::attended_pairs() const {
  int64_t pairs = 0;
  for (int64_t layer = 0; layer < config_.layers; ++layer) {
    for (const auto& of_head : passes(layer)) {
      for (const sparse::Pass& pass : of_head) pairs += pass.pairs();
    }
  }
  return pairs;
}

double Transformer::training_flops(int64_t pairs) const {
  const auto width = static_cast<double>(config_.width), qk = static_cast<double>(config_.qk_width);
  const auto inner = static_cast<double>(config_.feedforward_width);
  const double block = width * (2 * qk + width) + width * width + 2 * width * inner;
  const double weights =
      static_cast<double>(config_.layers) * block + width * static_cast<double>(config_.vocabulary);
  const double per_pair = (qk + width) / static_cast<double>(config_.heads);
  return 6 *
         (weights * static_cast<double>(config_.context) + per_pair * static_cast<double>(pairs));
}

ops::Norm Transformer::norm(const std::string& name, double eps) const {
  return {parameters_.at(name + ".gain"), parameters_.at(name + ".bias"), eps};
}

Variable Transformer::enter(Tape& tape, ResidualStream& stream, const ops::Norm& norm, int64_t site,
                            const StepState* state) const {
  if (!stream.branch.present()) return ops::layer_norm(tape, stream.residual, norm);
  const Dropout dropout{state != nullptr ? config_.dropout : 0, static_cast<uint32_t>(site), state};
  auto [sum, normed] = ops::residual_norm(tape, stream.residual, stream.branch, norm, dropout);
  stream.residual = std::move(sum);
  stream.branch = {};
  return normed;
}

Variable Transformer::linear(Tape& tape, const Variable& x, const std::string& name,
                             bool rows_alone) const {
  return ops::linear(tape, x, parameters_.at(name + ".weight"), parameters_.at(name + ".bias"),
                     rows_alone);
}

}  // namespace lacuna::nn
