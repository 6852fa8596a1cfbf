#include "lacuna/train/step_seconds.h"

namespace lacuna::train {

double seconds_again(const StepSeconds& seconds, int64_t block, nn::BlockResults kept) {
  using nn::BlockResult;
  const BlockSeconds& s = seconds.blocks[static_cast<size_t>(block)];
  double sum = 0;
  if (!kept.has(BlockResult::kAttentionInput)) sum += s.norm;
  if (!kept.has(BlockResult::kProjection)) sum += s.projection;
  if (!kept.has(BlockResult::kAttention)) sum += s.attention;
  if (!kept.has(BlockResult::kMiddle)) sum += s.output + s.seam;
  if (kept.has(BlockResult::kMiddle) && !kept.has(BlockResult::kFeedForwardInput)) sum += s.norm;
  if (!kept.has(BlockResult::kPreactivation)) sum += s.up;
  if (!kept.has(BlockResult::kActivation)) sum += s.activate;
  if (!kept.has(BlockResult::kEntry)) {
    sum += s.norm + s.projection + s.attention + s.output + 2 * s.seam + s.up + s.activate + s.down;
  }
  return sum;
}

StepSeconds measure_step(Queue, const nn::Transformer& model, int64_t) {
  BlockSeconds s{0.1, 0.6, 1.5, 0.2, 0.2, 0.8, 0.2, 0.8, 6};
  return {std::vector<BlockSeconds>(static_cast<size_t>(model.config().layers), s), 1};
}

}  // namespace lacuna::train
