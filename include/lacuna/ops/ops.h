// The differentiable ops: each checks its shapes, runs its forward contract and records its
// backward one. Results are new variables of the tape; wrong shapes throw Error(kInternal) naming
// the op. Shapes: B batch, T positions, H heads, C width, V vocabulary.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "lacuna/autograd/tape.h"
#include "lacuna/kernels/attention.h"
#include "lacuna/kernels/linear.h"
#include "lacuna/kernels/step_state.h"

namespace lacuna::ops {

/// [B, T, I] -> [B, T, O]; weight [O, I], bias [O] or absent. rows_alone as in kernels/linear.h,
/// only on a tape that does not record. The result is of the type of x unless another is named.
Variable linear(Tape& tape, const Variable& x, const Parameter& weight, const Parameter& bias,
                bool rows_alone = false, std::optional<DType> result = std::nullopt);

/// (y, z) with y = activation(z), z = linear(x); the backward pass asks for both.
std::pair<Variable, Result> activated_linear(Tape& tape, const Variable& x, const Parameter& weight,
                                             const Parameter& bias, Activation activation,
                                             bool rows_alone = false);

struct Norm {
  Parameter gain, bias;  // [C]
  double eps = 1e-5;
};

/// [B, T, C] -> [B, T, C].
Variable layer_norm(Tape& tape, const Variable& x, const Norm& norm);

/// (sum, layer_norm(sum)) with sum = residual + dropout(branch); all [B, T, C].
std::pair<Variable, Variable> residual_norm(Tape& tape, const Variable& residual,
                                            const Variable& branch, const Norm& norm,
                                            const Dropout& dropout);

/// (y, lse): attention of a fused projection [B, T, 2*qk_width + C] (all heads' q, then k, then v)
/// -> [B, T, C]. qk_width and C are multiples of passes.size() = H; scale 1/sqrt(qk_width / H).
/// `passes` must outlive the tape. lse are the logarithms of the softmax's sums, [B, H, T]; the
/// backward pass asks for both.
std::pair<Variable, Result> attention(Tape& tape, const Variable& qkv, int64_t qk_width,
                                      const HeadPasses& passes);

struct EmbeddingTables {
  Parameter token, start;           // [V, C], [C]
  std::vector<Parameter> position;  // 1 to 3, [n_k, C]
};

/// tokens [B, T] i32 -> [B, T, C], shifted right by one (kernels/embedding.h). `tokens` must
/// outlive the tape. The result is of the type of the tables unless another is named.
Variable embedding(Tape& tape, const View& tokens, const EmbeddingTables& tables,
                   std::optional<DType> result = std::nullopt);

/// Losses in nats, [B*T] f64, of logits [B, T, V] against targets [B, T] i32. When training, the
/// gradient of gradient_scale * loss_scale * sum(losses) is on the tape already: in the place of
/// the logits, or of type `gradient` where that is named and another. `state` (null: no loss scale)
/// must outlive the tape.
Tensor cross_entropy(Tape& tape, const Variable& logits, const View& targets, double gradient_scale,
                     const StepState* state = nullptr,
                     std::optional<DType> gradient = std::nullopt);

}  // namespace lacuna::ops
