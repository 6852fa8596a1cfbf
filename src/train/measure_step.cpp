#include <algorithm>
#include <optional>

#include "lacuna/base/facts.h"
#include "lacuna/base/text.h"
#include "lacuna/tensor/gpus.h"
#include "lacuna/train/step_seconds.h"
#include "op_timer.h"

namespace lacuna::train {
namespace {

// Weights that are updated to see what an update costs: fewer than a large model has, so that
// memory for the state of the optimizer is not wanted twice.
constexpr int64_t kMostUpdated = int64_t{1} << 23;

std::string machine_of(const Queue& queue) {
  if constexpr (kWithCuda) {
    if (queue.on_gpu()) return cuda::device_name(queue);
  }
  return str(machine_facts().processor, ", ", queue.threads(), " threads");
}

BlockSeconds measure_block(OpTimer& timer, const nn::Transformer& model, int64_t batch,
                           size_t pattern) {
  const nn::ModelConfig& c = model.config();
  const int64_t rows = batch * c.context, projected = 2 * c.qk_width + c.width;
  const Shape stream{batch, c.context, c.width};
  const HeadPasses& passes = model.passes(static_cast<int64_t>(pattern));
  const OpTimer::Attention attention{c.attention[pattern], batch,  c.heads, c.context,
                                     c.qk_width,           c.width};
  const OpTimer::Product projection{rows, c.width, projected}, output{rows, c.width, c.width},
      up{rows, c.width, c.feedforward_width}, down{rows, c.feedforward_width, c.width};
  OpTimer::Product activated = up;
  activated.activated = true;
  return {.norm = timer.layer_norm_forward(rows, c.width),
          .projection = timer.product_forward(projection),
          .attention = timer.attention_forward(attention, passes),
          .output = timer.product_forward(output),
          .seam = timer.seam_forward(stream, c.dropout),
          .up = timer.product_forward(up),
          .activate = timer.activation_forward(rows, c.feedforward_width),
          .down = timer.product_forward(down),
          .backward = timer.product_backward(down) + timer.product_backward(activated) +
                      2 * timer.seam_backward(stream, c.dropout) + timer.product_backward(output) +
                      timer.attention_backward(attention, passes) +
                      timer.product_backward(projection)};
}

double measure_around(OpTimer& timer, const nn::ModelConfig& c, int64_t batch) {
  const int64_t rows = batch * c.context;
  const Shape stream{batch, c.context, c.width};
  const OpTimer::Embedding embedding{batch, c.context, c.vocabulary, c.width, c.position_tables};
  OpTimer::Product head{rows, c.width, c.vocabulary};
  head.bias = false;
  head.wide_result = true;
  return timer.embedding_forward(embedding) + timer.embedding_backward(embedding) +
         timer.seam_forward(stream, c.dropout) + timer.seam_backward(stream, c.dropout) +
         timer.product_forward(head) + timer.product_backward(head) +
         timer.cross_entropy(rows, c.vocabulary);
}

double measure_update(OpTimer& timer, const nn::ModelConfig& config, bool average) {
  const int64_t count = nn::parameter_count(nn::parameter_specs(config));
  const int64_t timed = std::min(count, kMostUpdated);
  return static_cast<double>(count) / static_cast<double>(timed) *
         (timer.adamw(timed, average) + timer.squared_norm(timed) + timer.zero(timed));
}

}  // namespace

StepSeconds measure_step(const Queue& queue, const nn::Transformer& model, int64_t batch,
                         bool average) {
  // Products of f32 on a GPU may be rounded or not, which no queue tells.
  std::optional<SecondsCache> cache;
  if (!queue.on_gpu() || model.dtype() != DType::kF32) cache.emplace(machine_of(queue));
  OpTimer timer(queue, model.dtype(), cache ? &*cache : nullptr);
  const nn::ModelConfig& config = model.config();
  std::vector<BlockSeconds> kinds;
  const size_t patterns = std::min(config.attention.size(), static_cast<size_t>(config.layers));
  for (size_t k = 0; k < patterns; ++k) {
    const auto same =
        std::find(config.attention.begin(), config.attention.end(), config.attention[k]) -
        config.attention.begin();
    kinds.push_back(static_cast<size_t>(same) < k ? kinds[static_cast<size_t>(same)]
                                                  : measure_block(timer, model, batch, k));
  }
  StepSeconds seconds{.blocks = {},
                      .around = measure_around(timer, config, batch),
                      .update = measure_update(timer, config, average)};
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    seconds.blocks.push_back(kinds[static_cast<size_t>(layer) % kinds.size()]);
  }
  return seconds;
}

}  // namespace lacuna::train
