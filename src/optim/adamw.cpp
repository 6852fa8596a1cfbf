// AdamW over the flat buffers in one launch.
#include "lacuna/kernels/adamw.h"

#include <cmath>

#include "lacuna/optim/optimizer.h"

namespace lacuna::optim {
namespace {

static_assert(nn::kAlignElements == kDecayGroup, "slices begin where a group begins");

// [n / 16] u8 on the device of the weights: whether the groups decay.
Tensor decays_of(const Queue& queue, const nn::ParameterStore& parameters) {
  std::vector<uint8_t> decays(static_cast<size_t>(parameters.flat_count() / kDecayGroup), 0);
  for (const nn::ParameterSlice& slice : parameters.slices()) {
    if (!slice.decays()) continue;
    const int64_t groups = (slice.count + kDecayGroup - 1) / kDecayGroup;
    std::fill_n(decays.begin() + slice.offset / kDecayGroup, groups, uint8_t{1});
  }
  const Tensor made = queue.zeros({static_cast<int64_t>(decays.size())}, DType::kU8);
  queue.upload(made, decays.data());
  return made;
}

class AdamWOptimizer : public Optimizer {
 public:
  AdamWOptimizer(Queue& queue, const OptimizerConfig& config, const nn::ParameterStore& parameters)
      : config_(config),
        decays_(decays_of(queue, parameters)),
        mean_(queue.zeros({parameters.flat_count()}, parameters.dtype())),
        variance_(queue.zeros({parameters.flat_count()}, parameters.dtype())) {}

  double effective_rate(double learning_rate, int64_t update) const override {
    const auto t = static_cast<double>(update);
    return learning_rate * std::sqrt(1 - std::pow(config_.beta2, t)) /
           (1 - std::pow(config_.beta1, t));
  }

  void update(Queue& queue, const nn::ParameterStore& parameters, const View& averages,
              const StepState* state) override {
    launch(queue, AdamW{.weight = parameters.values(),
                        .gradient = parameters.gradients(),
                        .mean = mean_,
                        .variance = variance_,
                        .average = averages,
                        .rounded = parameters.rounded(),
                        .decays = decays_,
                        .beta1 = config_.beta1,
                        .beta2 = config_.beta2,
                        .eps = config_.eps,
                        .decay = config_.weight_decay,
                        .state = state});
  }

  std::vector<std::pair<std::string, View>> buffers() const override {
    return {{"mean", mean_}, {"variance", variance_}};
  }

  size_t bytes() const override {
    return decays_.view().bytes() + mean_.view().bytes() + variance_.view().bytes();
  }

 private:
  OptimizerConfig config_;
  Tensor decays_;
  Tensor mean_, variance_;
};

}  // namespace

std::unique_ptr<Optimizer> make_adamw(Queue& queue, const OptimizerConfig& config,
                                      const nn::ParameterStore& parameters) {
  return std::make_unique<AdamWOptimizer>(queue, config, parameters);
}

}  // namespace lacuna::optim
