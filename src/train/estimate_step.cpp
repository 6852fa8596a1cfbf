#include <algorithm>

#include "lacuna/train/step_seconds.h"
#include "op_timer.h"

namespace lacuna::train {
namespace {

class Estimate {
 public:
  Estimate(const nn::ModelConfig& config, int64_t batch, DType dtype, const Rates& rates)
      : c_(config), batch_(batch), rows_(batch * config.context), bytes_{dtype}, rates_(rates) {}

  BlockSeconds block(const HeadPasses& passes) const {
    const int64_t projected = 2 * c_.qk_width + c_.width, inner = c_.feedforward_width;
    const AttentionWork work(passes, batch_);
    // Amounts are of all heads; rates are by the mean width of one.
    const int64_t qk = c_.qk_width / c_.heads, v = c_.width / c_.heads;
    const double width = static_cast<double>(qk + v) / 2;
    const Rate forward = rate_of_width(rates_, "attention forward", width);
    const Rate backward = rate_of_width(rates_, "attention backward", width);
    return {.norm = streamed("layer norm forward", bytes_.layer_norm_forward(rows_, c_.width)),
            .projection = product(c_.width, projected),
            .attention = forward.seconds(work.forward(qk, v, forward.beside)),
            .output = product(c_.width, c_.width),
            .seam = seam(),
            .up = product(c_.width, inner),
            .activate = streamed("activation forward", bytes_.activation_forward(rows_, inner)),
            .down = product(inner, c_.width),
            .backward = gradients(c_.width, projected) + sums(projected) +
                        backward.seconds(work.backward(qk, v, backward.beside)) +
                        gradients(c_.width, c_.width) + 2 * sums(c_.width) + 2 * seam_backward() +
                        gradients(c_.width, inner) +
                        streamed("activation backward", bytes_.activation_backward(rows_, inner)) +
                        gradients(inner, c_.width)};
  }

  double around() const {
    const double embedded = bytes_.embedding(rows_, c_.width);
    return streamed("embedding forward", embedded) + streamed("embedding backward", embedded) +
           seam() + seam_backward() + product(c_.width, c_.vocabulary) +
           gradients(c_.width, c_.vocabulary) +
           streamed("cross-entropy", bytes_.cross_entropy(rows_, c_.vocabulary));
  }

  double update(bool average) const {
    const int64_t count = nn::parameter_count(nn::parameter_specs(c_));
    return streamed("adamw", bytes_.adamw(count, average)) +
           streamed("squared norm", bytes_.weights(count)) +
           streamed("zero", bytes_.weights(count));
  }

 private:
  double streamed(const char* what, double bytes) const { return rates_.at(what).seconds(bytes); }
  double seam() const { return streamed("seam forward", bytes_.seam_forward(rows_, c_.width)); }
  double seam_backward() const {
    return streamed("seam backward", bytes_.seam_backward(rows_, c_.width));
  }
  double sums(int64_t width) const {
    return streamed("column sums", bytes_.column_sums(rows_, width));
  }
  double flops(int64_t in, int64_t out) const {
    return 2 * static_cast<double>(rows_) * static_cast<double>(in) * static_cast<double>(out);
  }
  double product(int64_t in, int64_t out) const {
    return rate_of_width(rates_, "product forward", static_cast<double>(std::min(in, out)))
        .seconds(flops(in, out));
  }
  // Of the input and of the weight.
  double gradients(int64_t in, int64_t out) const {
    return rate_of_width(rates_, "product backward", static_cast<double>(std::min(in, out)))
        .seconds(2 * flops(in, out));
  }

  const nn::ModelConfig& c_;
  int64_t batch_, rows_;
  OpBytes bytes_;
  const Rates& rates_;
};

}  // namespace

StepSeconds estimate_step(const nn::ModelConfig& config, int64_t batch, DType dtype,
                          const Rates& rates, bool average) {
  const Estimate estimate(config, batch, dtype, rates);
  std::vector<BlockSeconds> kinds;
  for (const std::string& text : config.attention) {
    kinds.push_back(estimate.block(
        sparse::head_passes(*sparse::parse_pattern(text), config.heads, config.context)));
  }
  StepSeconds seconds{
      .blocks = {}, .around = estimate.around(), .update = estimate.update(average)};
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    seconds.blocks.push_back(kinds[static_cast<size_t>(layer) % kinds.size()]);
  }
  return seconds;
}

}  // namespace lacuna::train
