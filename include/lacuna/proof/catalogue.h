// The catalogue of contracts: for each one function, which says by name what its operands are, how
// its results are compared, and so what it moves. `lacuna check`, `lacuna bench` and the parity
// tests of the GPU all run these. A new op gets its entry here and in a source of src/proof/.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "lacuna/kernels/linear.h"
#include "lacuna/kernels/step_state.h"
#include "lacuna/proof/operands.h"

namespace lacuna::proof {

using Launch = std::function<void()>;

/// A contract at one size.
struct Entry {
  std::string name;  // of the contract and of the size
  /// Asks for the operands; the launch on them must not outlive them.
  std::function<Launch(Operands&)> make;
};

/// The bytes that it must move at least with activations of this type.
double bytes_of(const Entry& entry, DType activations);

struct LinearSize {
  int64_t rows, in, out;
  Activation activation = Activation::kNone;
  bool bias = true;
  bool rows_alone = false;
  bool wide_result = false;  // as the head's
};
Entry linear_forward(const LinearSize& size);
Entry linear_backward(const LinearSize& size);

struct ActivationSize {
  int64_t rows, width;
  bool in_place = false;  // forward
  bool bias = true;       // backward
};
Entry activate(const ActivationSize& size);
/// What the affine layer's gradient takes on a GPU besides its products; elsewhere the formula, in
/// f64 only.
Entry activation_backward(const ActivationSize& size);
Entry column_sums(int64_t rows, int64_t width);

struct NormSize {
  int64_t rows, width;
  Range x{-1, 3};
};
Entry layernorm_forward(const NormSize& size);
Entry layernorm_backward(const NormSize& size);

struct SeamSize {
  int64_t batch, length, width;
  double dropout = 0;  // its rate
  // Backward only:
  bool reads_sum = true;  // the sum goes on to others than the norm
  bool no_norm = false;   // a gain of 0 leaves dresidual = dsum, of which nothing is near 0
};
Entry residual_norm_forward(const SeamSize& size);
Entry residual_norm_backward(const SeamSize& size);

struct EmbeddingSize {
  int64_t batch, length, classes, width;
  std::vector<int64_t> tables;
  int64_t drawn = 0;  // tokens are below this; 0: all classes
};
Entry embedding_forward(const EmbeddingSize& size);
Entry embedding_backward(const EmbeddingSize& size);
/// One position; the length is not read.
Entry embedding_decode(const EmbeddingSize& size, int64_t position);

struct LossSize {
  int64_t rows, classes;
  bool gradient = true;
  bool in_place = false;  // the gradient overwrites the logits; only where the types are the same
  bool state = true;      // the loss scale comes from one
};
Entry cross_entropy(const LossSize& size);
Entry add_losses(int64_t rows);

struct AttentionSize {
  std::string pattern;
  int64_t batch, heads, length, qk, v;  // widths of one head
  bool fused = true;                    // q, k and v are slices of one projection
  double most = 1.5, most_dy = 1;       // of q, k and v; of dy
};
struct AttentionLaunches {
  Launch forward, backward;  // backward reads what forward has written
};
AttentionLaunches attention_launches(Operands& operands, const AttentionSize& size);
/// Forward, then backward.
Entry attention(const AttentionSize& size);
/// Position by position, from the first to the last.
Entry attention_decode(const AttentionSize& size);

Entry convert(int64_t count, Holds from, Holds to);
Entry accumulate(int64_t count);
Entry zero(int64_t count, Holds holds);
Entry squared_norm(int64_t count);

struct UpdateSize {
  int64_t count;
  bool bare = false;     // without average, rounded weights and marks of decay
  bool skipped = false;  // the step is not finite
  bool bf16_moments = false;
  Range mean{-1, 1}, variance{0.1, 1};
  double beta2 = 0.5, eps = 1e-3;
};
Entry adamw(const UpdateSize& size);
/// Does without the ranges of moments, beta2 and eps.
Entry lion(const UpdateSize& size);
Entry finish_gradients();
Entry note_progress(StepPart part, int32_t layer);

}  // namespace lacuna::proof
