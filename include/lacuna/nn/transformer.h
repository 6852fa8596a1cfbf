// The Sparse Transformer of Child et al. 2019, sections 5 and 6: a decoder-only stack of pre-norm
// residual blocks over sparse attention.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "lacuna/kernels/step_state.h"
#include "lacuna/nn/decode_cache.h"
#include "lacuna/nn/keep_plan.h"
#include "lacuna/nn/parameters.h"
#include "lacuna/ops/ops.h"
#include "lacuna/sparse/pattern.h"

namespace lacuna::nn {

enum class InitScheme : uint8_t {
  kReleasedCode,  // std = sqrt(0.125 / d_in), embeddings `embedding_std` (default 0.01)
  kPaperText,     // std = 0.125 / sqrt(d_in), embeddings 0.125 / sqrt(C) and less
};

struct ModelConfig {
  int64_t layers = 0;                    // L: residual blocks, each attention + feed-forward
  int64_t heads = 0;                     // H
  int64_t width = 0;                     // C
  int64_t qk_width = 0;                  // of all heads together; 0: width
  int64_t feedforward_width = 0;         // F; 0: 4 * width
  int64_t context = 0;                   // T
  int64_t vocabulary = 256;              // V
  std::vector<int64_t> position_tables;  // empty: (ceil(T / l), min(l, T)); no stride l: (T)
  std::vector<std::string> attention;    // patterns, repeated over the layers
  double dropout = 0;
  InitScheme init = InitScheme::kReleasedCode;
  double embedding_std = 0;  // 0: as the scheme says

  /// The same configuration with every default filled in. Throws Error(kConfig) naming the option
  /// where sizes do not divide or the tables do not cover the context.
  ModelConfig resolved() const;
};

/// All parameters of a resolved configuration in order of execution. Names and shapes are part of
/// the file format: docs/architecture.md lists them.
std::vector<ParameterSpec> parameter_specs(const ModelConfig& config);

/// Called in a backward pass when the gradients of the parameters of all blocks after `layer`, and
/// of the head, are final; with -1 at its end, when all are.
using GradientsReady = std::function<void(int64_t layer)>;

class Transformer {
 public:
  /// `config` resolved. `parameters` was made from parameter_specs(config) and must outlive the
  /// model.
  Transformer(ModelConfig config, const ParameterStore& parameters);

  /// tokens [B, T] i32 -> logits [B, T, V] in f64 or f32: row t predicts token t from the tokens
  /// before it. With a `state` the model trains: it drops out and notes where it is; without one it
  /// does neither, whether the tape records or not. `kept` says what a tape that records keeps for
  /// its backward pass. `ready` may be empty. `tokens` and `state` must outlive the tape.
  Variable logits(Tape& tape, const View& tokens, const StepState* state,
                  const KeptByBlock& kept = {}, const GradientsReady& ready = {}) const;

  /// The logits [B, 1, V] of one position, state->position, of B sequences whose earlier positions
  /// the cache has seen: row t of logits() up to rounding, at the cost of the keys that it reads.
  /// tokens [B, 1] i32 are the symbols before the position (at position 0 they are not read). The
  /// bits of a sequence do not depend on the others. Only on a tape that evaluates.
  Variable decode(Tape& tape, const View& tokens, const DecodeCache& cache,
                  const DecodeState* state) const;

  /// What it takes to keep `kept` of a block in training on `batch` sequences at once, without the
  /// seconds: found by a dry run of the block.
  KeepChoice keep_choice(int64_t batch, BlockResults kept) const;
  /// The costs of the whole model where each block has these choices.
  ChainCosts chain_costs(int64_t batch, std::vector<std::vector<KeepChoice>> blocks) const;

  const ModelConfig& config() const { return config_; }
  /// The type of the activations.
  DType dtype() const { return parameters_.compute_dtype(); }
  /// The passes of each head of one layer.
  const HeadPasses& passes(int64_t layer) const {
    return passes_[static_cast<size_t>(layer) % passes_.size()];
  }
  /// Attended (query, key) pairs of one sequence, over all layers and heads.
  int64_t attended_pairs() const;
  /// Floating-point operations that one sequence needs forward and backward when `pairs` (query,
  /// key) pairs attend: two per multiplication and addition of the matrix products and of the
  /// pairs, three times; nothing else.
  double training_flops(int64_t pairs) const;
  double training_flops() const { return training_flops(attended_pairs()); }

 private:
  // How a forward pass is run.
  struct Mode {
    const StepState* state = nullptr;  // without one nothing is dropped and no place is noted
    bool rows_alone = false;
    std::function<std::pair<Variable, Result>(Tape& tape, const Variable& qkv, int64_t layer)>
        attention;
    KeptByBlock kept;
    GradientsReady ready;
  };
  BlockResults keeps(const Mode& mode, int64_t layer) const;
  // The residual stream with the branch that is yet to be added to it.
  struct ResidualStream {
    Variable residual, branch;
  };
  struct DryRun;
  ops::EmbeddingTables tables() const;
  Mode training_mode(const StepState* state, const KeptByBlock& kept,
                     const GradientsReady& ready = {}) const;
  // From the embedding to the logits.
  Variable through_blocks(Tape& tape, Variable embedded, const Mode& mode) const;
  // From the last block to the logits.
  Variable head(Tape& tape, ResidualStream stream, const Mode& mode) const;
  // One block: a function of the stream, the layer and the mode alone.
  ResidualStream block(Tape& tape, ResidualStream stream, int64_t layer, const Mode& mode) const;
  // The block without its first seam, from the residual stream and its norm.
  ResidualStream branches(Tape& tape, Variable entry, Variable x, int64_t layer,
                          const Mode& mode) const;
  ops::Norm norm(const std::string& name, double eps) const;
  // Adds the open branch, if there is one, to the residual, and normalises the sum. `site` tells
  // the places of dropout apart.
  Variable enter(Tape& tape, ResidualStream& stream, const ops::Norm& norm, int64_t site,
                 const StepState* state) const;
  Variable linear(Tape& tape, const Variable& x, const std::string& name, bool rows_alone) const;

  ModelConfig config_;
  const ParameterStore& parameters_;
  std::vector<HeadPasses> passes_;  // per entry of config.attention
};

}  // namespace lacuna::nn
