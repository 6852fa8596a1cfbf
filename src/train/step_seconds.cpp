#include "lacuna/train/step_seconds.h"

#include "lacuna/base/error.h"

namespace lacuna::train {

double StepSeconds::whole(int64_t micro_batches) const {
  double of_batch = around;
  for (const BlockSeconds& block : blocks) of_batch += block.forward() + block.backward;
  // The first block begins with a norm alone.
  if (!blocks.empty()) of_batch += blocks.front().norm - blocks.front().seam;
  return static_cast<double>(micro_batches) * of_batch + update;
}

// Every dropped result is made once, and is there for all who ask for it after that. What is made
// from what: src/nn/transformer.cpp and the replays of src/ops.
double seconds_again(const StepSeconds& seconds, int64_t block, nn::BlockResults kept) {
  using enum nn::BlockResult;
  const BlockSeconds& of = seconds.blocks[static_cast<size_t>(block)];
  double again = 0;
  if (!kept.has(kEntry)) {
    require(block > 0, "seconds_again", "the first block keeps its entry");
    const BlockSeconds& before = seconds.blocks[static_cast<size_t>(block) - 1];
    again += before.norm + before.forward();  // its second seam is the one that enters this block
  }
  if (!kept.has(kAttentionInput)) again += of.norm;
  if (!kept.has(kProjection)) again += of.projection;
  if (!kept.has(kAttention)) again += of.attention;
  if (!kept.has(kMiddle)) {
    again += of.output + of.seam;  // which gives the feed-forward's input as well
  } else if (!kept.has(kFeedForwardInput)) {
    again += of.norm;
  }
  if (!kept.has(kPreactivation)) again += of.up;
  if (!kept.has(kActivation)) again += of.activate;
  return again;
}

}  // namespace lacuna::train
