#include "lacuna/nn/transformer.h"

#include <utility>

#include "lacuna/base/text.h"

namespace lacuna::nn {
namespace {

constexpr double kBlockEps = 1e-5, kLastEps = 1e-6;

HeadPasses passes_of(const std::string& text, int64_t heads, int64_t length) {
  const sparse::PatternPtr pattern = sparse::parse_pattern(text);
  HeadPasses passes;
  for (int64_t head = 0; head < heads; ++head) {
    passes.push_back(pattern->passes(head, length, sparse::kEverything));
  }
  return passes;
}

}  // namespace

Transformer::Transformer(ModelConfig config, const ParameterStore& parameters)
    : config_(std::move(config)), parameters_(parameters) {
  for (const std::string& text : config_.attention) {
    passes_.push_back(passes_of(text, config_.heads, config_.context));
  }
}

Variable Transformer::logits(Tape& tape, const View& tokens, const StepState* state) const {
  require(tokens.size(1) == config_.context, "Transformer::logits",
          "the tokens have another length than the context");
  ops::EmbeddingTables tables{
      parameters_.at("embedding.token"), parameters_.at("embedding.start"), {}};
  for (size_t k = 0; k < config_.position_tables.size(); ++k) {
    tables.position.push_back(parameters_.at(str("embedding.position.", k)));
  }
  Stream stream{ops::embedding(tape, tokens, tables, dtype()), {}};
  for (int64_t layer = 0; layer < config_.layers; ++layer) {
    const std::string attention = str("blocks.", layer, ".attention");
    const std::string feedforward = str("blocks.", layer, ".feedforward");
    Variable x = enter(tape, stream, norm(attention + ".norm", kBlockEps), state);
    x = linear(tape, x, attention + ".qkv");
    x = ops::attention(tape, x, config_.qk_width,
                       passes_[static_cast<size_t>(layer) % passes_.size()]);
    stream.branch = linear(tape, x, attention + ".project");

    x = enter(tape, stream, norm(feedforward + ".norm", kBlockEps), state);
    x = linear(tape, x, feedforward + ".up", Activation::kQuickGelu);
    stream.branch = linear(tape, x, feedforward + ".down");
  }
  const Variable x = enter(tape, stream, norm("norm", kLastEps), state);
  return ops::linear(tape, x, parameters_.at("head.weight"), {}, Activation::kNone, wide(dtype()));
}

int64_t Transformer::attended_pairs() const {
  int64_t pairs = 0;
  for (int64_t layer = 0; layer < config_.layers; ++layer) {
    for (const auto& of_head : passes_[static_cast<size_t>(layer) % passes_.size()]) {
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
  return 6 * (weights * static_cast<double>(config_.context) +
              per_pair * static_cast<double>(pairs));
}

ops::Norm Transformer::norm(const std::string& name, double eps) const {
  return {parameters_.at(name + ".gain"), parameters_.at(name + ".bias"), eps};
}

// Adds the open branch, if there is one, and normalises the sum.
Variable Transformer::enter(Tape& tape, Stream& stream, const ops::Norm& norm,
                            const StepState* state) const {
  if (!stream.branch.present()) return ops::layer_norm(tape, stream.residual, norm);
  const Dropout dropout{tape.training() ? config_.dropout : 0, stream.next_site++, state};
  auto [sum, normed] = ops::residual_norm(tape, stream.residual, stream.branch, norm, dropout);
  stream.residual = std::move(sum);
  stream.branch = {};
  return normed;
}

Variable Transformer::linear(Tape& tape, const Variable& x, const std::string& name,
                             Activation activation) const {
  return ops::linear(tape, x, parameters_.at(name + ".weight"), parameters_.at(name + ".bias"),
                     activation);
}

}  // namespace lacuna::nn
