#pragma once
#include <vector>

#include "lacuna/nn/transformer.h"

namespace lacuna::train {

struct BlockSeconds {
  double norm = 0, projection = 0, attention = 0, output = 0, seam = 0, up = 0, activate = 0,
         down = 0;
  double backward = 0;
};
struct StepSeconds {
  std::vector<BlockSeconds> blocks;
  double around = 0;
  double whole() const;
};
double seconds_again(const StepSeconds& seconds, int64_t block, nn::BlockResults kept);
StepSeconds measure_step(Queue queue, const nn::Transformer& model, int64_t batch);

}  // namespace lacuna::train
