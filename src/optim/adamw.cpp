// AdamW over the flat buffers, one launch per run of neighbouring tensors with the same decay.
#include "lacuna/kernels/adamw.h"

#include <cmath>

#include "lacuna/optim/optimizer.h"

namespace lacuna::optim {
namespace {

struct Range {
  int64_t begin, end;
  bool decays;
};

// Slices lie in the flat buffer in reverse order of execution, each followed by its padding.
std::vector<Range> ranges_of(const nn::ParameterStore& parameters) {
  std::vector<Range> ranges;
  const auto& slices = parameters.slices();
  for (auto slice = slices.rbegin(); slice != slices.rend(); ++slice) {
    const auto next = std::next(slice);
    const int64_t end = next == slices.rend() ? parameters.flat_count() : next->offset;
    if (!ranges.empty() && ranges.back().decays == slice->decays()) {
      ranges.back().end = end;
    } else {
      ranges.push_back({slice->offset, end, slice->decays()});
    }
  }
  return ranges;
}

class AdamWOptimizer : public Optimizer {
 public:
  AdamWOptimizer(const OptimizerConfig& config, const nn::ParameterStore& parameters)
      : config_(config),
        ranges_(ranges_of(parameters)),
        mean_(Tensor::zeros({parameters.flat_count()}, parameters.dtype())),
        variance_(Tensor::zeros({parameters.flat_count()}, parameters.dtype())) {}

  double step_size(double learning_rate, int64_t update) const override {
    const auto t = static_cast<double>(update);
    return learning_rate * std::sqrt(1 - std::pow(config_.beta2, t)) /
           (1 - std::pow(config_.beta1, t));
  }

  void update(Queue& queue, const nn::ParameterStore& parameters, const View& averages,
              const StepState& state) override {
    for (const Range& range : ranges_) {
      const auto part = [&](const View& flat) {
        return flat.present() ? flat.slice(0, range.begin, range.end - range.begin) : View();
      };
      launch(queue, AdamW{.weight = part(parameters.values()),
                          .gradient = part(parameters.gradients()),
                          .mean = part(mean_),
                          .variance = part(variance_),
                          .average = part(averages),
                          .beta1 = config_.beta1,
                          .beta2 = config_.beta2,
                          .eps = config_.eps,
                          .decay = range.decays ? config_.weight_decay : 0,
                          .state = &state});
    }
  }

  std::vector<std::pair<std::string, View>> buffers() const override {
    return {{"mean", mean_}, {"variance", variance_}};
  }

 private:
  OptimizerConfig config_;
  std::vector<Range> ranges_;
  Tensor mean_, variance_;
};

}  // namespace

std::unique_ptr<Optimizer> make_adamw(const OptimizerConfig& config,
                                      const nn::ParameterStore& parameters) {
  return std::make_unique<AdamWOptimizer>(config, parameters);
}

}  // namespace lacuna::optim
