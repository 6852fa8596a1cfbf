// Drawing symbols from a model, one after the other. Each new symbol costs a whole forward pass.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "lacuna/train/program.h"

namespace lacuna::train {

struct SampleConfig {
  int64_t length = 256;    // symbols to draw
  double temperature = 1;  // 0: always the likeliest
  uint64_t seed = 1;
};

/// Draws `config.length` symbols that continue `prompt`, handing each to `emit`; stops early once
/// emit returns false. Symbol n is drawn with a number that depends on (seed, n) alone. When the
/// context is full, the model goes on with its newer half as prompt. `program` evaluates, batch 1.
void sample(Program& program, const nn::Transformer& model, const std::vector<int32_t>& prompt,
            const SampleConfig& config, const std::function<bool(int32_t)>& emit);

/// The index at which the running sum of softmax(logits / temperature) passes `uniform`.
int32_t draw(const std::vector<double>& logits, double temperature, double uniform);

}  // namespace lacuna::train
