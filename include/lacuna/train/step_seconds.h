// What a training step costs in seconds, op by op: measured on the device at hand, or estimated
// from a table of rates.
#pragma once

#include <cstdint>
#include <vector>

#include "lacuna/nn/transformer.h"
#include "lacuna/train/rates.h"

namespace lacuna::train {

/// Seconds of a block on one micro-batch. Forward, each op once:
struct BlockSeconds {
  double norm = 0;        // LayerNorm of [B*T, C]
  double projection = 0;  // the product to queries, keys and values
  double attention = 0;
  double output = 0;  // the product after it
  double seam = 0;    // residual + dropout + norm, of which a block has two
  double up = 0;      // the product alone
  double activate = 0;
  double down = 0;
  double backward = 0;  // all of the backward pass, everything kept

  double forward() const {
    return 2 * seam + projection + attention + output + up + activate + down;
  }
};

struct StepSeconds {
  std::vector<BlockSeconds> blocks;
  double around = 0;  // of a micro-batch: embedding, head and loss, forward and backward
  double update = 0;  // once a step

  /// A step with everything kept.
  double whole(int64_t micro_batches = 1) const;
};

/// What the backward pass of a block takes longer when the block keeps only `kept`. A dropped entry
/// is made by a run of the block before; block 0 keeps its own. (Where the entry and the
/// attention's input are made by one launch, the norm is counted all the same: it depends on the
/// blocks around.)
double seconds_again(const StepSeconds& seconds, int64_t block, nn::BlockResults kept);

/// Runs every op once for each kind of layer, on random operands of which one op's at a time are
/// held (at most 400 MB, or one set of them), and keeps what it has measured in a file
/// (docs/recompute.md). On a GPU no other work may be on the queue. The optimizer is taken to be
/// AdamW with `average` or without.
StepSeconds measure_step(const Queue& queue, const nn::Transformer& model, int64_t batch,
                         bool average);

/// `config` resolved.
StepSeconds estimate_step(const nn::ModelConfig& config, int64_t batch, DType dtype,
                          const Rates& rates, bool average);

}  // namespace lacuna::train
